import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request } from "@/shared/api/client";
import { McpClients, McpConfig, McpStatus, Trial } from "./schemas";

const KEY = ["mcp"] as const;
const LOOK_AGAIN_MS = 10_000;

/** Whether the MCP server runs; looked at again every ten seconds. */
export function useMcpStatus() {
  return useQuery({
    queryKey: [...KEY, "status"],
    queryFn: ({ signal }) => request(McpStatus, "/api/mcp/status", { signal }),
    refetchInterval: LOOK_AGAIN_MS,
  });
}

/** Where assistants find it, seen from this browser. */
export function useMcpConfig() {
  return useQuery({
    queryKey: [...KEY, "config"],
    queryFn: ({ signal }) => request(McpConfig, "/api/mcp/config", { signal }),
  });
}

/** Assistants heard lately. */
export function useMcpClients(runs: boolean) {
  return useQuery({
    queryKey: [...KEY, "clients"],
    queryFn: ({ signal }) => request(McpClients, "/api/mcp/clients", { signal }),
    enabled: runs,
    refetchInterval: LOOK_AGAIN_MS,
  });
}

/** Lists the tools and calls one, as an assistant would. */
export function useTrial() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => request(Trial, "/api/mcp/test", { method: "POST" }),
    onSettled: () => client.invalidateQueries({ queryKey: KEY }),
  });
}
