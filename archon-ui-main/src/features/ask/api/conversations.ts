import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request, send } from "@/shared/api/client";
import { Conversation, ConversationList } from "./schemas";

export const CONVERSATIONS_KEY = ["conversations"] as const;

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
  });
}

export function useDeleteConversation() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => send(path(id), { method: "DELETE" }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...CONVERSATIONS_KEY, "list"] }),
  });
}
