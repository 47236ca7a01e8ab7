import { RotateCcw } from "lucide-react";
import { localError } from "@/shared/api/errors";
import { count, duration } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import type { Answer } from "../answer";
import type { Outcome } from "../api/schemas";

const TITLES: Record<Exclude<Outcome, "complete" | "cancelled">, string> = {
  truncated: "The answer was cut off.",
  upstream_error: "The answer could not be finished.",
  stalled: "The model went silent, and the answer was given up.",
};

interface AnswerEndProps {
  answer: Answer;
  onRetry?: () => void;
}

/** How an answer ended: nothing to say for a whole one but its figures; the reason for every other. */
export function AnswerEnd({ answer, onRetry }: AnswerEndProps) {
  const { outcome, error, finishReason, text } = answer;
  if (outcome === null) return null;
  const again = onRetry && (
    <Button small onClick={onRetry}>
      <RotateCcw aria-hidden className="size-4" /> Ask again
    </Button>
  );
  if (outcome === "cancelled") {
    return (
      <Notice tone="info" role="status" actions={again}>
        {text ? "Stopped here, before the answer was whole." : "Stopped before the answer began."}
      </Notice>
    );
  }
  if (outcome !== "complete") {
    const unsaid = localError(outcome, "The model's server gave no reason.", "Ask again.", true);
    return (
      <ErrorNote
        error={error ?? unsaid}
        title={text ? TITLES[outcome] : "There is no answer."}
        actions={again}
      />
    );
  }
  return (
    <>
      {finishReason === "length" && (
        <Notice tone="warn" role="status" title="The answer reached its length limit." actions={again} />
      )}
      <Figures answer={answer} />
    </>
  );
}

function Figures({ answer: { model, usage } }: { answer: Answer }) {
  const parts = [
    model,
    usage?.completion_tokens != null ? `${count(usage.completion_tokens)} tokens` : null,
    usage?.first_token_ms != null ? `first word after ${duration(usage.first_token_ms)}` : null,
    usage?.tokens_per_s != null ? `${usage.tokens_per_s.toFixed(0)} tokens/s` : null,
  ].filter(Boolean);
  return parts.length > 0 ? <p className="text-[0.8125rem] text-soft">{parts.join(" · ")}</p> : null;
}
