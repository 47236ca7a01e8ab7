import { useState } from "react";
import { useConnections } from "@/features/connections";
import { useChangeConversation, useConversation } from "../api/conversations";
import { type ChatSettings, DEFAULT_SETTINGS } from "../api/schemas";

export type Changes = Partial<ChatSettings>;

/** How the conversation is answered; of one that has not begun, how it will be. */
export function useChatSettings(conversationId: string | null) {
  const { data } = useConversation(conversationId);
  const { data: connections } = useConnections();
  const change = useChangeConversation(conversationId ?? "");
  const [draft, setDraft] = useState<Changes>({});
  const chosen = connections?.connections.find((one) => one.is_default && !one.read_only);
  const fresh: ChatSettings = { ...DEFAULT_SETTINGS, connection_id: chosen?.id ?? null, ...draft };
  const stored = change.isPending ? change.variables.settings : data?.settings;
  const settings = conversationId === null ? fresh : (stored ?? DEFAULT_SETTINGS);
  return {
    settings,
    error: change.error,
    change: (changes: Changes) => {
      if (conversationId === null) setDraft({ ...draft, ...changes });
      else change.mutate({ settings: { ...settings, ...changes } });
    },
  };
}
