import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useNavigate } from "react-router";
import { bodyOf } from "@/shared/api/errors";
import type { KeepFocus } from "@/shared/lib/focus";
import { type Answerer, askAgent, beginSession, sessionKey, useSession } from "../api/agent";
import { after, begun, type Turn, turnsOf } from "../turn";

const KEEP_FOCUS: KeepFocus = { keepFocus: true };

/** The turns of a session, the one that is being written last, and the ways to ask and to stop. */
export function useAgent(id: string | null, answerer: Answerer) {
  const kept = useSession(id);
  const [live, setLive] = useState<Turn | null>(null);
  const running = useRef<AbortController>(null);
  const client = useQueryClient();
  const navigate = useNavigate();

  const ask = async (question: string) => {
    const controller = new AbortController();
    running.current = controller;
    setLive(begun(question));
    try {
      const session = id ?? (await beginSession());
      for await (const event of askAgent(session, question, answerer, controller.signal)) {
        setLive((turn) => turn && after(turn, event));
      }
      await client.invalidateQueries({ queryKey: sessionKey(session) });
      if (id === null) await navigate(`/agent/${session}`, { replace: true, state: KEEP_FOCUS });
      setLive((turn) => (turn?.error ? turn : null));
    } catch (reason) {
      const stopped = controller.signal.aborted;
      const error = stopped ? null : bodyOf(reason);
      setLive((turn) => turn && { ...turn, outcome: stopped ? "cancelled" : "upstream_error", error });
    }
  };

  const turns = kept.data ? turnsOf(kept.data) : [];
  return {
    turns: live ? [...turns.filter((turn) => turn.outcome !== null && !isLive(turn, live)), live] : turns,
    writing: live !== null && live.outcome === null,
    loading: kept.isLoading,
    error: kept.error,
    ask,
    stop: () => running.current?.abort(),
  };
}

/** The answer that is being written is also among the kept ones once the list is read again. */
function isLive(turn: Turn, live: Turn): boolean {
  return turn.question === live.question && turn.text === live.text;
}
