import { useQuery } from "@tanstack/react-query";
import { z } from "zod";
import { request } from "@/shared/api/client";
import { unreachable, unreadable } from "@/shared/api/errors";

const ALIVE_EVERY_MS = 15_000;
const LOST_EVERY_MS = 4_000;

const Alive = z.object({ ready: z.boolean().catch(true) });

/** Whether Archon's server answers. When it comes back, everything that failed meanwhile is asked again. */
export function useAlive() {
  return useQuery({
    queryKey: ["alive"],
    queryFn: async ({ signal, client, queryKey }) => {
      const before = client.getQueryState(queryKey);
      const wasLost = before !== undefined && before.errorUpdatedAt > before.dataUpdatedAt;
      const alive = await request(Alive, "/api/health", { signal });
      if (wasLost) void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== queryKey[0] });
      return alive;
    },
    refetchInterval: ({ state }) => (state.status === "error" ? LOST_EVERY_MS : ALIVE_EVERY_MS),
  });
}

const Health = z.object({
  version: z.string().catch(""),
  ready: z.boolean(),
  checks: z
    .array(
      z.object({
        name: z.string(),
        ok: z.boolean(),
        detail: z.string().nullish(),
        next_step: z.string().nullish(),
      }),
    )
    .catch([]),
});

/** Archon's own parts; asked for only while somebody looks. A 503 is an answer here: it says what is not ready. */
export function useHealth(wanted: boolean) {
  return useQuery({
    queryKey: ["health"],
    enabled: wanted,
    queryFn: async ({ signal }) => {
      const response = await fetch("/health", { signal }).catch(() => Promise.reject(unreachable()));
      const parsed = Health.safeParse(await response.json().catch(() => null));
      if (!parsed.success) throw unreadable("/health", parsed.error.message);
      return parsed.data;
    },
  });
}
