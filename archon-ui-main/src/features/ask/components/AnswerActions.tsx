import { RotateCcw } from "lucide-react";
import { useConnectionName } from "@/features/connections";
import { count, duration } from "@/shared/lib/format";
import { IconButton } from "@/shared/ui/Button";
import type { Answer } from "../answer";
import type { AnswerDoings } from "./AnswerView";
import { CopyButton } from "./CopyButton";
import { Versions } from "./Versions";

interface AnswerActionsProps {
  answer: Answer;
  doings: AnswerDoings | null;
  onShow: (messageId: string) => void;
}

/** The figures of an answer that has ended, and what can be done with it; its versions also while it is written. */
export function AnswerActions({ answer, doings, onShow }: AnswerActionsProps) {
  const ended = answer.outcome !== null;
  return (
    <div className="mt-3 flex flex-wrap items-center gap-x-1 gap-y-1 empty:hidden">
      {ended && answer.text !== "" && <CopyButton text={answer.text} label="Copy the answer" />}
      {ended && doings && (
        <IconButton label="Ask again" onClick={() => doings.retry(answer)} className="size-8">
          <RotateCcw aria-hidden className="size-4" />
        </IconButton>
      )}
      <Versions of="answer" ids={answer.versions} current={answer.messageId} onShow={onShow} />
      {ended && <Figures answer={answer} />}
    </div>
  );
}

function Figures({ answer: { connectionId, provider, model, usage } }: { answer: Answer }) {
  const connection = useConnectionName(connectionId, provider);
  const parts = [
    connection,
    model,
    usage?.completion_tokens != null ? `${count(usage.completion_tokens)} tokens` : null,
    usage?.first_token_ms != null ? `first word after ${duration(usage.first_token_ms)}` : null,
    usage?.tokens_per_s != null ? `${usage.tokens_per_s.toFixed(0)} tokens/s` : null,
  ].filter(Boolean);
  return parts.length > 0 ? <p className="ml-1 text-[0.8125rem] text-soft">{parts.join(" · ")}</p> : null;
}
