import { RotateCcw } from "lucide-react";
import { IconButton } from "@/shared/ui/Button";
import type { Answer } from "../answer";
import type { AnswerDoings } from "./AnswerView";
import { CopyButton } from "./CopyButton";
import { Figures } from "./Figures";
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
      {ended && <Figures {...answer} />}
    </div>
  );
}
