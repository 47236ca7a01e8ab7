import { useQuery } from "@tanstack/react-query";
import { z } from "zod";
import { request } from "@/shared/api/client";

const EVERY_MS = 5 * 60_000;

const Migrations = z.object({
  has_pending: z.boolean(),
  pending_migrations: z.array(z.object({ version: z.string(), name: z.string() })),
  archon_v1_pending: z.number().catch(0),
  next_step: z.string().nullish(),
});

export type MigrationsState = z.output<typeof Migrations>;

/** What of the schema is not applied, and what of Archon v1 is not taken over. */
export function useMigrations() {
  return useQuery({
    queryKey: ["migrations"],
    queryFn: ({ signal }) => request(Migrations, "/api/migrations/status", { signal }),
    staleTime: EVERY_MS,
    refetchInterval: EVERY_MS,
    retry: false,
  });
}
