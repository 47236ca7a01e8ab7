import { useMemo } from "react";
import { AnswerText } from "@/features/ask/components/AnswerText";
import { Figures } from "@/features/ask/components/Figures";
import type { OpenedPassage } from "@/features/ask/components/PassagePanel";
import { place } from "@/features/ask/support";
import { useFailedConnection } from "@/features/connections";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import type { Turn } from "../turn";
import { AgentSteps } from "./AgentSteps";

interface AgentTurnProps {
  turn: Turn;
  onOpen: (opened: OpenedPassage) => void;
}

/** A question, what the agent did, and its answer. */
export function AgentTurn({ turn, onOpen }: AgentTurnProps) {
  const { question, text, way, steps, passages, citations, error, outcome, reasoning } = turn;
  const placed = useMemo(() => place(text, citations), [text, citations]);
  const writing = outcome === null;
  const failed = useFailedConnection(error);
  return (
    <article aria-busy={writing || undefined} className="space-y-4">
      <h2 className="whitespace-pre-wrap break-words font-serif text-xl font-semibold">{question}</h2>
      <AgentSteps steps={steps} onOpen={(passage) => onOpen({ passage, kind: null })} />
      {writing && steps.length === 0 && text === "" && (
        <p role="status" className="text-soft">
          Thinking…
        </p>
      )}
      {reasoning && (
        <details className="text-[0.9375rem] text-soft">
          <summary className="w-fit cursor-pointer rounded">The model’s reasoning</summary>
          <p className="mt-2 whitespace-pre-wrap">{reasoning}</p>
        </details>
      )}
      {text && (
        <AnswerText text={text} placed={placed} passages={passages} writing={writing} onOpen={onOpen} />
      )}
      {error && <ErrorNote error={error} connection={failed} />}
      {outcome === "cancelled" && <p className="text-sm text-soft">Stopped; what came is kept.</p>}
      {way && !writing && <p className="text-sm text-soft">{way.message}</p>}
      {!writing && <Figures {...turn} />}
    </article>
  );
}
