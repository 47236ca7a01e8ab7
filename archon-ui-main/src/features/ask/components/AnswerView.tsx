import { memo, useMemo } from "react";
import { Notice } from "@/shared/ui/Notice";
import type { Answer } from "../answer";
import { place } from "../support";
import { AnswerEnd } from "./AnswerEnd";
import { AnswerText } from "./AnswerText";
import { Legend } from "./Legend";
import { PassageList } from "./PassageList";
import type { OpenedPassage } from "./PassagePanel";

interface AnswerViewProps {
  answer: Answer;
  last: boolean;
  onOpen: (opened: OpenedPassage) => void;
  onRetry?: () => void;
}

/** A question, its answer, and what the answer rests on. */
export const AnswerView = memo(function AnswerView({ answer, last, onOpen, onRetry }: AnswerViewProps) {
  const { question, text, citations, passages, outcome } = answer;
  const placed = useMemo(() => place(text, citations), [text, citations]);
  const writing = outcome === null;
  return (
    <article
      aria-label={`Answer to: ${question}`}
      className={last ? undefined : "border-b border-line pb-10"}
    >
      <h2 className="whitespace-pre-wrap font-serif [text-wrap:pretty] text-[1.375rem] font-semibold leading-snug sm:text-2xl">
        {question}
      </h2>
      <div className="mt-4 space-y-4" aria-busy={writing} aria-live="polite">
        {answer.supported === false && text !== "" && (
          <Notice tone="warn" role="alert" title="Nothing in this answer has support in your knowledge.">
            <p>None of its sentences matches a stored passage. Treat it as a guess of the model.</p>
          </Notice>
        )}
        {answer.reason && passages.length === 0 && <NothingFound reason={answer.reason} />}
        {answer.reasoning && <Reasoning text={answer.reasoning} open={writing && text === ""} />}
        {text === "" && writing ? (
          <Waiting found={passages.length} started={answer.messageId !== null} />
        ) : (
          <AnswerText text={text} placed={placed} passages={passages} writing={writing} onOpen={onOpen} />
        )}
        <AnswerEnd answer={answer} onRetry={onRetry} />
      </div>
      {!writing && placed.length > 0 && <Legend placed={placed} />}
      {passages.length > 0 && text !== "" && !writing && (
        <PassageList passages={passages} placed={placed} onOpen={onOpen} />
      )}
    </article>
  );
});

const REASONS: Record<string, string> = {
  empty_store: "Nothing is stored yet, so the model answers from what it learned, not from your knowledge.",
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

function Waiting({ found, started }: { found: number; started: boolean }) {
  return (
    <p role="status" className="flex items-center gap-3 text-soft">
      <span aria-hidden className="shimmer h-4 w-24" />
      {started ? `Reading ${found} passages…` : "Looking for passages…"}
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
