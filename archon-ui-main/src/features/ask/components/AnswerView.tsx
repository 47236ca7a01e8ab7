import { memo, useMemo } from "react";
import { plural } from "@/shared/lib/format";
import { Notice } from "@/shared/ui/Notice";
import type { Answer } from "../answer";
import { place } from "../support";
import { AnswerActions } from "./AnswerActions";
import { AnswerEnd } from "./AnswerEnd";
import { AnswerText } from "./AnswerText";
import { Legend } from "./Legend";
import { PassageList } from "./PassageList";
import type { OpenedPassage } from "./PassagePanel";
import { QuestionView } from "./QuestionView";

/** What can be done with an answer; nothing of it while one is being written. */
export interface AnswerDoings {
  retry: (answer: Answer) => void;
  edit: (answer: Answer, message: string) => void;
  goOn: (answer: Answer) => void;
}

interface AnswerViewProps {
  answer: Answer;
  last: boolean;
  onOpen: (opened: OpenedPassage) => void;
  /** Shows another version of the question or the answer. */
  onShow: (messageId: string) => void;
  doings: AnswerDoings | null;
}

/** A question, its answer, and what the answer rests on. */
export const AnswerView = memo(function AnswerView({
  answer,
  last,
  onOpen,
  onShow,
  doings,
}: AnswerViewProps) {
  const { question, text, citations, passages, outcome, reasoning, knowledge } = answer;
  // Without any passage there is nothing to tell apart: it is said once, above.
  const found = passages.length > 0;
  const placed = useMemo(() => (found ? place(text, citations) : []), [found, text, citations]);
  const writing = outcome === null;
  return (
    <article
      aria-label={`Answer to: ${question.slice(0, 200)}`}
      className={
        last
          ? undefined
          : "border-b border-line pb-10 [content-visibility:auto] [contain-intrinsic-size:auto_28rem]"
      }
    >
      <QuestionView answer={answer} doings={doings} onShow={onShow} />
      <div className="mt-4 space-y-4" aria-busy={writing} aria-live="polite">
        {answer.supported === false && text !== "" && found && (
          <Notice tone="warn" role="alert" title="Nothing in this answer has support in your knowledge.">
            <p>None of its sentences matches a stored passage. Treat it as a guess of the model.</p>
          </Notice>
        )}
        {answer.reason && !found && <NothingFound reason={answer.reason} />}
        {reasoning && <Reasoning text={reasoning} open={writing && text === ""} />}
        {text === "" && writing ? (
          <Waiting found={passages.length} started={answer.messageId !== null} knowledge={knowledge} />
        ) : (
          <AnswerText text={text} placed={placed} passages={passages} writing={writing} onOpen={onOpen} />
        )}
        <AnswerEnd answer={answer} onContinue={doings ? () => doings.goOn(answer) : undefined} />
        <LeftOutNote answer={answer} />
      </div>
      <AnswerActions answer={answer} doings={doings} onShow={onShow} />
      {!writing && placed.length > 0 && <Legend placed={placed} />}
      {passages.length > 0 && text !== "" && !writing && (
        <PassageList passages={passages} placed={placed} onOpen={onOpen} />
      )}
    </article>
  );
});

const REASONS: Record<string, string> = {
  empty_store: "Nothing is stored yet, so the model answers from what it learned, not from your knowledge.",
  filter_excludes_all:
    "No source fits the chosen sources and tags, so the model answers from what it learned, not from your knowledge.",
  no_match:
    "No stored passage fits this question, so the model answers from what it learned, not from your knowledge.",
  other_space:
    "What is stored was embedded with another model and cannot be searched now. Refresh the sources, or choose the earlier embedding model in Settings.",
};

function NothingFound({ reason }: { reason: string }) {
  return (
    <Notice tone="warn" role="status" title="No passages were found.">
      <p>{REASONS[reason] ?? reason}</p>
    </Notice>
  );
}

/** What had no room in the model's context, once the answer is there. */
function LeftOutNote({ answer: { leftOut, outcome } }: { answer: Answer }) {
  if (!leftOut || outcome === null) return null;
  const parts = [
    leftOut.passages > 0 ? plural(leftOut.passages, "passage") : null,
    leftOut.messages > 0 ? `${plural(leftOut.messages, "earlier message")}` : null,
    leftOut.passage_cut ? "the end of a passage" : null,
  ].filter(Boolean);
  const gone = leftOut.attachments;
  if (parts.length === 0 && gone === 0) return null;
  return (
    <p className="text-[0.8125rem] text-soft">
      {parts.length > 0 && `No room in the model's context for ${parts.join(", ")}. `}
      {gone > 0 &&
        `Attached, but not stored any more: ${plural(gone, "page or source", "pages or sources")}.`}
    </p>
  );
}

function Waiting({ found, started, knowledge }: { found: number; started: boolean; knowledge: boolean }) {
  const reading = knowledge ? `Reading ${plural(found, "passage")}…` : "Waiting for the first word…";
  return (
    <p role="status" className="flex items-center gap-3 text-soft">
      <span aria-hidden className="shimmer h-4 w-24" />
      {started ? reading : "Looking for passages…"}
    </p>
  );
}

function Reasoning({ text, open }: { text: string; open: boolean }) {
  return (
    <details open={open} className="rounded-xl bg-sunken px-4 py-2.5 text-sm text-soft">
      <summary className="font-medium">The model's reasoning</summary>
      <p className="mt-2 whitespace-pre-wrap">{text}</p>
    </details>
  );
}
