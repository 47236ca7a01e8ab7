import { useState } from "react";
import { Link } from "react-router";
import { useSettings } from "@/shared/api/settings";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useFollow } from "../hooks/useFollow";
import { useThread } from "../hooks/useThread";
import { type Live, liveAnswer } from "../live";
import { AnswerView } from "./AnswerView";
import { Composer } from "./Composer";
import { FirstWords } from "./FirstWords";
import type { OpenedPassage } from "./PassagePanel";

interface ThreadProps {
  conversationId: string | null;
  onOpen: (opened: OpenedPassage) => void;
}

/** One conversation and the box to go on with it. */
export function Thread({ conversationId, onOpen }: ThreadProps) {
  const { conversation, answers, ask, live, writing, elsewhere } = useThread(conversationId);
  const [sourceIds, setSourceIds] = useState<readonly string[]>([]);
  const { data: settings } = useSettings();
  const problem = settings?.services.llm.problem ?? settings?.services.embedding.problem;
  const loading = conversationId !== null && conversation.isPending && answers.length === 0;
  const end = answers.at(-1);
  useFollow(live ? answers.length : 0, (end?.text.length ?? 0) + (end?.outcome ? 1 : 0));
  const send = (message: string) => ask(message, sourceIds);
  return (
    <>
      <div className="flex-1 py-6">
        <h1 className="sr-only">{conversation.data?.title || "Ask"}</h1>
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
        <div className="space-y-10">
          {answers.map((answer, n) => (
            <AnswerView
              key={answer.turn}
              answer={answer}
              last={n === answers.length - 1}
              onOpen={onOpen}
              onRetry={elsewhere || writing ? undefined : () => send(answer.question)}
            />
          ))}
        </div>
      </div>
      <div className="sticky bottom-[3.75rem] z-10 -mx-1 space-y-3 bg-canvas px-1 pb-4 sm:bottom-0">
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
        {elsewhere ? (
          <WritingElsewhere live={elsewhere} />
        ) : (
          <Composer
            writing={writing}
            sourceIds={sourceIds}
            onSourceIds={setSourceIds}
            onSend={send}
            onStop={liveAnswer.stop}
          />
        )}
      </div>
    </>
  );
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
