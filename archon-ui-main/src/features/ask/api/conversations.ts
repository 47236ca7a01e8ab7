import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request, send } from "@/shared/api/client";
import { answerIsOpen } from "../answer";
import { Conversation, ConversationList } from "./schemas";

export const CONVERSATIONS_KEY = ["conversations"] as const;

const WRITING_EVERY_MS = 2_000;

const path = (id: string) => `/api/chat/conversations/${encodeURIComponent(id)}`;

export function conversationKey(id: string | null) {
  return [...CONVERSATIONS_KEY, "one", id] as const;
}

export function useConversations() {
  return useQuery({
    queryKey: [...CONVERSATIONS_KEY, "list"],
    queryFn: async ({ signal }) =>
      (await request(ConversationList, "/api/chat/conversations", { signal })).conversations,
  });
}

/** A conversation with its answers as they were stored. */
export function useConversation(id: string | null) {
  return useQuery({
    queryKey: conversationKey(id),
    queryFn: ({ signal }) => request(Conversation, path(id ?? ""), { signal }),
    enabled: id !== null,
    // Written in another window, say: its end is waited for.
    refetchInterval: ({ state }) => (state.data && isBeingWritten(state.data) ? WRITING_EVERY_MS : false),
  });
}

function isBeingWritten({ messages }: Conversation): boolean {
  const last = messages.at(-1);
  return last?.role === "assistant" && answerIsOpen(last);
}

export function useDeleteConversation() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => send(path(id), { method: "DELETE" }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...CONVERSATIONS_KEY, "list"] }),
  });
}
