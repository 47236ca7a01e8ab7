import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { request, send, withQuery } from "@/shared/api/client";
import { saveFile } from "@/shared/lib/saveFile";
import { Attached, type ChatSettings, Conversation, ConversationList, Limits, PageNames } from "./schemas";

export const CONVERSATIONS_KEY = ["conversations"] as const;

/** How long after an answer the title that a model gives its conversation is looked for again. */
const NAMED_WITHIN_MS = 1500;

const path = (id: string) => `/api/chat/conversations/${encodeURIComponent(id)}`;

export function conversationKey(id: string | null) {
  return [...CONVERSATIONS_KEY, "one", id] as const;
}

/** The latest conversations; with `words` those that have all of them. */
export function useConversations(words = "") {
  return useQuery({
    queryKey: [...CONVERSATIONS_KEY, "list", words],
    queryFn: async ({ signal }) =>
      (await request(ConversationList, withQuery("/api/chat/conversations", { search: words }), { signal }))
        .conversations,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => state.data?.some((one) => one.naming) && NAMED_WITHIN_MS,
  });
}

/** A conversation from its end backwards, a page at a time: `fetchNextPage` brings what came before. */
export function useConversation(id: string | null) {
  return useInfiniteQuery({
    queryKey: conversationKey(id),
    queryFn: ({ signal, pageParam }) =>
      request(Conversation, withQuery(path(id ?? ""), { before: pageParam }), { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => (page.earlier ? (page.messages[0]?.id ?? null) : null),
    enabled: id !== null,
    refetchInterval: ({ state }) => state.data?.pages[0]?.naming && NAMED_WITHIN_MS,
    select: ({ pages }) => ({
      id: pages[0]?.id ?? "",
      title: pages[0]?.title ?? null,
      settings: pages[0]?.settings,
      messages: pages.toReversed().flatMap((page) => page.messages),
    }),
  });
}

export function useDeleteConversation() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => send(path(id), { method: "DELETE" }),
    onSuccess: () => client.invalidateQueries({ queryKey: [...CONVERSATIONS_KEY, "list"] }),
  });
}

interface Change {
  title?: string;
  settings?: ChatSettings;
}

/** Renames a conversation, or changes how it is answered. */
export function useChangeConversation(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (json: Change) => send(path(id), { method: "PUT", json }),
    onSettled: () => client.invalidateQueries({ queryKey: CONVERSATIONS_KEY }),
  });
}

/** Shows the branch through another version of a message. */
export function useShowBranch(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (message_id: string) => send(`${path(id)}/branch`, { method: "PUT", json: { message_id } }),
    onSuccess: () => client.invalidateQueries({ queryKey: conversationKey(id) }),
  });
}

export type ExportKind = "markdown" | "json";

/** Hands a conversation to the person as a file. */
export function useExport(id: string) {
  return useMutation({
    mutationFn: async (kind: ExportKind) => {
      const response = await send(withQuery(`${path(id)}/export`, { format: kind }), { accept: "*/*" });
      const named = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition") ?? "");
      const name = named?.[1] && decodeURIComponent(named[1]);
      const type = kind === "json" ? "application/json" : "text/markdown";
      saveFile(name ?? `conversation.${kind === "json" ? "json" : "md"}`, await response.text(), type);
    },
  });
}

/** What the sampling settings may be with a model; asked for when somebody looks. */
export function useLimits(settings: ChatSettings, wanted: boolean) {
  const { connection_id, model } = settings;
  return useQuery({
    queryKey: ["chat-limits", connection_id ?? null, model ?? null],
    queryFn: ({ signal }) =>
      request(Limits, withQuery("/api/chat/limits", { connection_id, model }), { signal }),
    enabled: wanted,
  });
}

/** Those of a conversation's attachments that are stored still. */
export function useAttached({ pages, pinned_sources }: ChatSettings) {
  const asked = [...pages.map((id) => ["page", id]), ...pinned_sources.map((id) => ["source", id])];
  return useQuery({
    queryKey: ["attached", pages, pinned_sources],
    queryFn: async ({ signal }) =>
      (await request(Attached, `/api/chat/attached?${new URLSearchParams(asked)}`, { signal })).attached,
    enabled: asked.length > 0,
    placeholderData: keepPreviousData,
  });
}

/** Pages that can be attached, by words of their title or address. */
export function usePageNames(words: string, wanted: boolean) {
  return useQuery({
    queryKey: ["page-names", words],
    queryFn: async ({ signal }) =>
      (await request(PageNames, withQuery("/api/chat/pages", { search: words }), { signal })).pages,
    enabled: wanted,
    placeholderData: keepPreviousData,
  });
}
