import { Pencil } from "lucide-react";
import { useState } from "react";
import { Button, IconButton } from "@/shared/ui/Button";
import type { Answer } from "../answer";
import type { AnswerDoings } from "./AnswerView";
import { Versions } from "./Versions";

interface QuestionViewProps {
  answer: Answer;
  doings: AnswerDoings | null;
  onShow: (messageId: string) => void;
}

/** A question, which can be asked in other words: what was there stays as another version. */
export function QuestionView({ answer, doings, onShow }: QuestionViewProps) {
  const [text, setText] = useState<string | null>(null);
  const { question } = answer;
  if (text !== null && doings) {
    const send = () => {
      setText(null);
      if (text.trim() !== "") doings.edit(answer, text.trim());
    };
    return (
      <form
        aria-label="Edit the question"
        className="space-y-2"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <textarea
          // biome-ignore lint/a11y/noAutofocus: whoever asked to edit wants to type
          autoFocus
          aria-label="The question in other words"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") setText(null);
            if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            send();
          }}
          className="input field-sizing-content max-h-80 font-serif text-lg"
        />
        <div className="flex gap-2">
          <Button small type="submit" look="primary">
            Ask this instead
          </Button>
          <Button small look="quiet" onClick={() => setText(null)}>
            Cancel
          </Button>
        </div>
      </form>
    );
  }
  return (
    <div className="group/question">
      <div className="flex items-start gap-2">
        <h2 className="max-h-80 min-w-0 flex-1 overflow-y-auto whitespace-pre-wrap font-serif [text-wrap:pretty] text-[1.375rem] font-semibold leading-snug sm:text-2xl">
          {question}
        </h2>
        {doings && (
          <IconButton
            label="Edit the question"
            onClick={() => setText(question)}
            className="opacity-0 focus-visible:opacity-100 group-hover/question:opacity-100 pointer-coarse:opacity-100"
          >
            <Pencil aria-hidden className="size-4" />
          </IconButton>
        )}
      </div>
      <Versions of="question" ids={answer.questionVersions} current={answer.questionId} onShow={onShow} />
    </div>
  );
}
