import { ArrowRight } from "lucide-react";
import { useFailedConnection } from "@/features/connections";
import { localError } from "@/shared/api/errors";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { type Answer, canContinue } from "../answer";
import type { Outcome } from "../api/schemas";

const TITLES: Record<Exclude<Outcome, "complete" | "cancelled">, string> = {
  truncated: "The answer was cut off.",
  upstream_error: "The answer could not be finished.",
  stalled: "The model went silent, and the answer was given up.",
};

interface AnswerEndProps {
  answer: Answer;
  onContinue?: () => void;
}

/** How an answer ended: nothing to say for a whole one; the reason for every other. */
export function AnswerEnd({ answer, onContinue }: AnswerEndProps) {
  const { outcome, error, finishReason, text, reasoning } = answer;
  const connection = useFailedConnection(error);
  if (outcome === null) return null;
  const goOn = onContinue && canContinue(answer) && (
    <Button small onClick={onContinue}>
      <ArrowRight aria-hidden className="size-4" /> Continue
    </Button>
  );
  if (outcome === "cancelled") {
    return (
      <Notice tone="info" role="status" actions={goOn}>
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
        connection={connection}
        actions={goOn}
      />
    );
  }
  if (finishReason === "length") {
    return <Notice tone="warn" role="status" title="The answer reached its length limit." actions={goOn} />;
  }
  if (text === "") {
    return (
      <Notice tone="warn" role="status" title="The model ended without a word.">
        <p>{reasoning ? "It only reasoned. " : ""}Ask again, or ask in other words.</p>
      </Notice>
    );
  }
  return null;
}
