import { useCallback, useMemo, useState } from "react";
import { Link } from "react-router";
import { useSettings } from "@/shared/api/settings";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useShowBranch } from "../api/conversations";
import { useChatSettings } from "../hooks/useChatSettings";
import { useFollow } from "../hooks/useFollow";
import { useShortcuts } from "../hooks/useShortcuts";
import { useThread } from "../hooks/useThread";
import { type Live, liveAnswer } from "../live";
import { AnswerView } from "./AnswerView";
import { Composer } from "./Composer";
import { FirstWords } from "./FirstWords";
import type { OpenedPassage } from "./PassagePanel";
import { SettingsSheet } from "./SettingsSheet";
import { ShortcutList } from "./ShortcutList";
import { ThreadHead } from "./ThreadHead";

interface ThreadProps {
  conversationId: string | null;
  onOpen: (opened: OpenedPassage) => void;
}

type Panel = "settings" | "shortcuts" | null;

/** One conversation and the box to go on with it. */
export function Thread({ conversationId, onOpen }: ThreadProps) {
  const [panel, setPanel] = useState<Panel>(null);
  const chosen = useChatSettings(conversationId);
  const thread = useThread(conversationId, chosen.settings);
  const { conversation, answers, live, writing, elsewhere } = thread;
  const { data: settings } = useSettings();
  const showBranch = useShowBranch(conversationId ?? "");
  const problem = useProblem(chosen.settings.connection_id ?? null, chosen.settings.knowledge);
  const loading = conversationId !== null && conversation.isPending && answers.length === 0;
  const end = answers.at(-1);
  useFollow(live ? answers.length : 0, (end?.text.length ?? 0) + (end?.outcome ? 1 : 0));
  const showSettings = useCallback(() => setPanel("settings"), []);
  const free = !writing && !elsewhere;
  useShortcuts({
    stop: () => writing && liveAnswer.stop(),
    retry: () => free && end && thread.retry(end),
    goOn: () => free && end && thread.goOn(end),
    settings: showSettings,
    help: () => setPanel("shortcuts"),
  });
  const { retry, edit, goOn } = thread;
  const doings = useMemo(() => (free ? { retry, edit, goOn } : null), [free, retry, edit, goOn]);
  const showVersion = useCallback(
    (messageId: string) =>
      showBranch.mutate(messageId, { onSuccess: () => liveAnswer.showStored(conversationId ?? "") }),
    [showBranch.mutate, conversationId],
  );
  return (
    <>
      <ThreadHead
        conversationId={conversationId}
        title={conversation.data?.title ?? null}
        settings={chosen.settings}
        onSettings={showSettings}
        onShortcuts={() => setPanel("shortcuts")}
      />
      <div className="flex-1 py-6">
        {conversation.error && answers.length === 0 && (
          <ErrorNote
            error={conversation.error}
            title="This conversation could not be read."
            onRetry={() => void conversation.refetch()}
          />
        )}
        {loading && <Skeleton rows={4} shape="h-16" label="Loading the conversation" />}
        {conversationId === null && answers.length === 0 && (
          <FirstWords hasKnowledge={settings?.first_run.knowledge ?? true} />
        )}
        {conversation.hasNextPage && answers.length > 0 && (
          <div className="pb-8 text-center">
            <Button
              small
              busy={conversation.isFetchingNextPage}
              onClick={() => void conversation.fetchNextPage()}
            >
              Show what came before
            </Button>
          </div>
        )}
        <div className="space-y-10">
          {answers.map((answer, n) => (
            <AnswerView
              key={answer.after ?? "first"}
              answer={answer}
              last={n === answers.length - 1}
              onOpen={onOpen}
              onShow={showVersion}
              doings={doings}
            />
          ))}
        </div>
      </div>
      <div className="sticky bottom-[3.75rem] z-10 -mx-1 space-y-3 bg-canvas px-1 pb-4 md:bottom-0">
        {problem && (
          <ErrorNote
            error={problem}
            title="Questions cannot be answered yet."
            actions={
              <Link to="/settings" className="link self-center">
                Open Settings
              </Link>
            }
          />
        )}
        {chosen.error && <ErrorNote error={chosen.error} title="The change was not saved." />}
        {elsewhere ? (
          <WritingElsewhere live={elsewhere} />
        ) : (
          <Composer
            writing={writing}
            settings={chosen.settings}
            onChange={chosen.change}
            onSend={thread.ask}
            onStop={liveAnswer.stop}
          />
        )}
      </div>
      <SettingsSheet
        open={panel === "settings"}
        settings={chosen.settings}
        onChange={chosen.change}
        onClose={() => setPanel(null)}
      />
      <ShortcutList open={panel === "shortcuts"} onClose={() => setPanel(null)} />
    </>
  );
}

/** Why nothing can be answered: of Settings' own model only where no connection is chosen. */
function useProblem(connectionId: string | null, knowledge: boolean) {
  const { data: settings } = useSettings();
  const chat = connectionId === null ? settings?.services.llm.problem : null;
  return chat ?? (knowledge ? settings?.services.embedding.problem : null);
}

function WritingElsewhere({ live }: { live: Live }) {
  return (
    <Notice
      tone="info"
      role="status"
      title="Another answer is still being written."
      actions={
        <>
          <Link
            to={live.conversationId ? `/ask/${live.conversationId}` : "/ask"}
            className="link self-center"
          >
            Go to it
          </Link>
          <Button small onClick={liveAnswer.stop}>
            Stop it
          </Button>
        </>
      }
    >
      <p className="truncate">“{live.answer.question}”</p>
    </Notice>
  );
}
