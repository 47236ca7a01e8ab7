import { SquarePen } from "lucide-react";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { type OpenedPassage, PassagePanel } from "@/features/ask/components/PassagePanel";
import { buttonClasses } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useAgent } from "../hooks/useAgent";
import { AgentComposer } from "./AgentComposer";
import { AgentModel } from "./AgentModel";
import { AgentSwitch } from "./AgentSwitch";
import { AgentTurn } from "./AgentTurn";

/** Asking the agent: it searches and reads by itself, and shows every step. */
export function AgentPage() {
  const { id = null } = useParams();
  // A page of its own for every session but the one that has just begun here.
  return <AgentThread id={id} />;
}

function AgentThread({ id }: { id: string | null }) {
  const { turns, picked, pick, writing, loading, error, ask, stop } = useAgent(id);
  const [opened, setOpened] = useState<OpenedPassage | null>(null);
  return (
    <div className={opened ? "min-w-0 flex-1 xl:pr-[27rem]" : "min-w-0 flex-1"}>
      <title>Agent · Archon</title>
      <div className="mx-auto flex min-h-[calc(100dvh-4rem)] w-full max-w-3xl flex-col px-4 sm:px-6">
        <div className="flex flex-wrap items-center justify-between gap-3 pt-4">
          <AgentSwitch />
          <div className="flex items-center gap-1">
            <AgentModel picked={picked} onPick={pick} />
            {id && (
              <Link to="/agent" reloadDocument className={buttonClasses("quiet", true)}>
                <SquarePen aria-hidden className="size-4" /> New
              </Link>
            )}
          </div>
        </div>
        <h1 className="sr-only">Agent</h1>
        <div aria-live="polite" className="flex-1 space-y-10 py-8">
          {error && <ErrorNote error={error} />}
          {loading && <Skeleton rows={3} shape="h-6" label="Opening the session" />}
          {turns.length === 0 && !loading && !error && <FirstWords />}
          {turns.map((turn) => (
            <AgentTurn key={turn.id} turn={turn} onOpen={setOpened} />
          ))}
        </div>
        <div className="sticky bottom-[3.75rem] bg-canvas pb-4 md:bottom-0">
          <AgentComposer
            writing={writing}
            waiting={loading}
            onSend={(question) => void ask(question)}
            onStop={stop}
          />
        </div>
      </div>
      <PassagePanel opened={opened} onClose={() => setOpened(null)} />
    </div>
  );
}

function FirstWords() {
  return (
    <div className="mx-auto max-w-xl pt-[6vh]">
      <h2 className="font-serif text-3xl font-semibold tracking-[-0.01em] sm:text-4xl">
        What needs more than one look?
      </h2>
      <p className="mt-3 text-[1.0625rem] text-soft">
        The agent searches, reads pages and searches again until it can answer, and shows every step. Its
        model server has to call tools; where it does not, Archon searches once and says so.
      </p>
    </div>
  );
}
