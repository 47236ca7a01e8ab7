import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { useNavigate } from "react-router";
import { SETTINGS_KEY } from "@/shared/api/settings";
import type { KeepFocus } from "@/shared/lib/focus";
import { type Answer, answersOf, asked } from "../answer";
import { CONVERSATIONS_KEY, useConversation } from "../api/conversations";
import type { ChatSettings } from "../api/schemas";
import type { Question } from "../api/stream";
import { type Live, liveAnswer, useLive } from "../live";

/** A conversation as it is shown: what is stored, the answer being written, and what can be done with them. */
export function useThread(conversationId: string | null, settings: ChatSettings) {
  const live = useLive();
  const conversation = useConversation(conversationId);
  const messages = conversation.data?.messages;
  const storedAnswers = useMemo(() => answersOf(messages ?? []), [messages]);
  const here = isHere(live, conversationId) ? live : null;
  const answers = useMemo(() => together(storedAnswers, here), [storedAnswers, here]);
  const handlers = useHandlers(conversationId);
  useWatching(conversationId, storedAnswers.at(-1), handlers);

  const put = (question: Omit<Question, "conversationId">, shown?: Answer) => {
    liveAnswer.ask(
      { ...question, conversationId, settings: conversationId === null ? settings : undefined },
      handlers,
      shown,
    );
  };
  const busy = live !== null && live.answer.outcome === null;
  return {
    conversation,
    answers,
    live: here !== null,
    /** The answer being written is the one shown here. */
    writing: busy && here !== null,
    /** Another conversation's answer is being written. */
    elsewhere: busy && here === null ? live : null,
    ask: (message: string) => put({ message, after: answers.at(-1)?.messageId ?? null }),
    /** Another answer to the same question; a question that the server never took is asked anew. */
    retry: (answer: Answer) => {
      const { questionId, question, after } = answer;
      if (questionId === null) return put({ message: question, after }, asked(question, after));
      put({ message: "", answers: questionId }, { ...asked(question, after), questionId });
    },
    edit: (answer: Answer, message: string) => {
      if (answer.questionId === null) return put({ message, after: answer.after });
      put({ message, edits: answer.questionId }, asked(message, answer.after));
    },
    goOn: (answer: Answer) => {
      if (answer.messageId === null) return;
      const shown = { ...answer, outcome: null, error: null, finishReason: null, citations: [] };
      put({ message: "", continues: answer.messageId }, shown);
    },
  };
}

function useHandlers(conversationId: string | null) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const shown = useShown(conversationId);
  const known = useRef({ client, navigate });
  known.current = { client, navigate };
  return useMemo(
    () => ({
      onStart: (id: string) => {
        // Whoever went elsewhere meanwhile is not pulled back.
        if (shown.current !== "new") return false;
        const state: KeepFocus = { keepFocus: true };
        known.current.navigate(`/ask/${encodeURIComponent(id)}`, { replace: true, flushSync: true, state });
        return true;
      },
      onEnd: () => {
        void known.current.client.invalidateQueries({ queryKey: CONVERSATIONS_KEY });
        void known.current.client.invalidateQueries({ queryKey: SETTINGS_KEY });
      },
    }),
    [shown],
  );
}

/** Between the first event of a new conversation and its address the page has neither the old nor the new one. */
function isHere(live: Live | null, conversationId: string | null): live is Live {
  return (
    live !== null && (live.conversationId === conversationId || (conversationId === null && !!live.arriving))
  );
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

/** An answer that is being written when its conversation is opened is watched: after a reload, or in another tab. */
function useWatching(
  conversationId: string | null,
  last: Answer | undefined,
  handlers: Parameters<typeof liveAnswer.ask>[1],
) {
  useEffect(() => {
    if (conversationId !== null) liveAnswer.arrived();
    if (conversationId !== null && last?.outcome === null) liveAnswer.watch(conversationId, last, handlers);
  }, [conversationId, last, handlers]);
}

/** The live answer stands after the one it follows, until it is among the stored ones itself. */
function together(storedAnswers: Answer[], live: Live | null): Answer[] {
  if (!live) return storedAnswers;
  const { answer } = live;
  const known = storedAnswers.find((one) => one.messageId !== null && one.messageId === answer.messageId);
  if ((known?.outcome && answer.outcome) || (!known && live.onBranchOnly)) return storedAnswers;
  const place = storedAnswers.findIndex((one) => one.messageId === answer.after);
  const at = known ? storedAnswers.indexOf(known) : answer.after === null ? 0 : place + 1;
  const kept = place < 0 && answer.after !== null && !known ? storedAnswers : storedAnswers.slice(0, at);
  const replaced = storedAnswers.find((one) => one.after === answer.after);
  return [...kept, { ...answer, ...versionsOf(answer, known, replaced) }];
}

/** The versions of a live answer and its question: as they are stored, else those of what it replaces and itself. */
function versionsOf(answer: Answer, known?: Answer, replaced?: Answer): Partial<Answer> {
  if (known) return { versions: known.versions, questionVersions: known.questionVersions };
  const { messageId, questionId } = answer;
  if (!replaced || messageId === null || questionId === null) return {};
  if (questionId === replaced.questionId) {
    const versions = withOneMore(replaced.versions, replaced.messageId, messageId);
    return { versions, questionVersions: replaced.questionVersions };
  }
  return { questionVersions: withOneMore(replaced.questionVersions, replaced.questionId, questionId) };
}

/** `ids`, which are empty where there was only `first`, and a new one. */
function withOneMore(ids: readonly string[], first: string | null, id: string): readonly string[] {
  return [...(ids.length > 0 || first === null ? ids : [first]), id];
}
