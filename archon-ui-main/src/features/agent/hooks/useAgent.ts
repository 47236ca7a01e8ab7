import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useNavigate } from "react-router";
import type { Picked } from "@/features/connections";
import { bodyOf } from "@/shared/api/errors";
import type { KeepFocus } from "@/shared/lib/focus";
import { askAgent, beginSession, sessionKey, useSession } from "../api/agent";
import { after, begun, chosenIn, type Turn, turnsOf } from "../turn";

const KEEP_FOCUS: KeepFocus = { keepFocus: true };

/** The turns of a session, the one that is being written last, who answers, and the ways to ask and to stop. */
export function useAgent(id: string | null) {
  const kept = useSession(id);
  const [live, setLive] = useState<Turn | null>(null);
  const [newlyPicked, pick] = useState<Picked | null>(null);
  const running = useRef<AbortController>(null);
  const client = useQueryClient();
  const navigate = useNavigate();
  const picked = newlyPicked ?? chosenIn(kept.data ?? []);

  /** From its start on the answer is kept, however it ends: the page goes to where it is found again. */
  const goTo = async (session: string) => {
    await client.invalidateQueries({ queryKey: sessionKey(session) });
    if (id === null) await navigate(`/agent/${session}`, { replace: true, state: KEEP_FOCUS });
  };

  const ask = async (question: string) => {
    const controller = new AbortController();
    running.current = controller;
    setLive(begun(question));
    let started: string | null = null;
    try {
      const session = id ?? (await beginSession());
      for await (const event of askAgent(session, question, picked, controller.signal)) {
        started = session;
        setLive((turn) => turn && after(turn, event));
      }
    } catch (reason) {
      const stopped = controller.signal.aborted;
      const error = stopped ? null : bodyOf(reason);
      setLive((turn) => turn && { ...turn, outcome: stopped ? "cancelled" : "upstream_error", error });
    }
    if (started !== null) await goTo(started);
    setLive((turn) => (turn?.error || turn?.outcome === "cancelled" ? turn : null));
  };

  const turns = kept.data ? turnsOf(kept.data) : [];
  return {
    turns: live ? [...turns.filter((turn) => turn.id !== live.id), live] : turns,
    picked,
    pick,
    writing: live !== null && live.outcome === null,
    loading: kept.isLoading,
    error: kept.error,
    ask,
    stop: () => running.current?.abort(),
  };
}
