import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { SETTINGS_KEY } from "@/shared/api/settings";
import type { KeepFocus } from "@/shared/lib/focus";
import { type Answer, answersOf } from "../answer";
import { CONVERSATIONS_KEY, useConversation } from "../api/conversations";
import { type Live, liveAnswer, useLive } from "../live";

/** A conversation as it is shown: what is stored, and the answer being written. */
export function useThread(conversationId: string | null) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const live = useLive();
  const shown = useShown(conversationId);
  const conversation = useConversation(conversationId);
  const storedAnswers = answersOf(conversation.data?.messages ?? []);
  const here = live !== null && live.conversationId === conversationId ? live : null;
  const busy = live !== null && live.answer.outcome === null;

  const ask = (message: string, sourceIds: readonly string[]) => {
    liveAnswer.ask(
      { message, conversationId, sourceIds },
      {
        onStart: (id) => {
          // Whoever went elsewhere meanwhile is not pulled back.
          if (shown.current !== "new") return;
          const state: KeepFocus = { keepFocus: true };
          navigate(`/ask/${encodeURIComponent(id)}`, { replace: true, flushSync: true, state });
        },
        onEnd: () => {
          void client.invalidateQueries({ queryKey: CONVERSATIONS_KEY });
          void client.invalidateQueries({ queryKey: SETTINGS_KEY });
        },
      },
    );
  };

  return {
    conversation,
    answers: together(storedAnswers, here),
    ask,
    live: here !== null,
    /** The answer being written is the one shown here. */
    writing: busy && here !== null,
    /** Another conversation's answer is being written. */
    elsewhere: busy && here === null ? live : null,
  };
}

/** What the page shows at this moment; null once it was left. */
function useShown(conversationId: string | null) {
  const shown = useRef<string | null>(null);
  useEffect(() => {
    shown.current = conversationId ?? "new";
    return () => {
      shown.current = null;
    };
  }, [conversationId]);
  return shown;
}

/** The live answer joins the stored ones until it is among them itself. */
function together(storedAnswers: Answer[], live: Live | null): Answer[] {
  if (!live) return storedAnswers;
  const known = storedAnswers.find(
    (one) => one.messageId !== null && one.messageId === live.answer.messageId,
  );
  if (known?.outcome && live.answer.outcome) {
    // What was streamed knows a little more: whether it was we who stopped it, and how it ended.
    return storedAnswers.map((one) => (one === known ? { ...known, ...merged(live.answer, known) } : one));
  }
  const earlier = storedAnswers.filter((one) => one !== known && !isOpenQuestion(one, live.answer));
  return [...earlier, { ...live.answer, turn: earlier.length }];
}

function merged(live: Answer, known: Answer): Partial<Answer> {
  return {
    reasoning: live.reasoning,
    finishReason: live.finishReason,
    reason: live.reason,
    supported: live.supported ?? known.supported,
  };
}

/** The question as it is stored while its answer is still being written. */
function isOpenQuestion(one: Answer, live: Answer): boolean {
  return one.messageId === null && one.question === live.question;
}
