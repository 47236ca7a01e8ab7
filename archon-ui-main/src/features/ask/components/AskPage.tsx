import { MessagesSquare } from "lucide-react";
import { useState } from "react";
import { useParams } from "react-router";
import { AgentSwitch } from "@/features/agent/components/AgentSwitch";
import { Button } from "@/shared/ui/Button";
import { Sheet } from "@/shared/ui/Sheet";
import { ConversationList } from "./ConversationList";
import { type OpenedPassage, PassagePanel } from "./PassagePanel";
import { Thread } from "./Thread";

/** Asking: past questions at the left, the conversation in the middle, an opened passage at the right. */
export function AskPage() {
  const { id = null } = useParams();
  const [listOpen, setListOpen] = useState(false);
  const [opened, setOpened] = useState<OpenedPassage | null>(null);
  return (
    <div className="mx-auto flex w-full max-w-[92rem] flex-1">
      <title>Ask · Archon</title>
      <aside className="sticky top-16 hidden h-[calc(100dvh-4rem)] w-72 shrink-0 overflow-y-auto border-r border-line p-4 lg:block">
        <ConversationList current={id} />
      </aside>
      <div className={opened ? "min-w-0 flex-1 xl:pr-[27rem]" : "min-w-0 flex-1"}>
        <div className="mx-auto flex min-h-[calc(100dvh-4rem)] w-full max-w-3xl flex-col px-4 sm:px-6">
          <div className="flex flex-wrap items-center justify-between gap-2 pt-4">
            <AgentSwitch />
            <Button small className="lg:hidden" onClick={() => setListOpen(true)}>
              <MessagesSquare aria-hidden className="size-4" /> Past questions
            </Button>
          </div>
          <Thread conversationId={id} onOpen={setOpened} />
        </div>
      </div>
      <Sheet open={listOpen} onClose={() => setListOpen(false)} title="Past questions" side="left">
        <ConversationList current={id} onChosen={() => setListOpen(false)} />
      </Sheet>
      <PassagePanel opened={opened} onClose={() => setOpened(null)} />
    </div>
  );
}
