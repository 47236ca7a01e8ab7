import { useQuery } from "@tanstack/react-query";
import { z } from "zod";
import { request } from "@/shared/api/client";

const LIVE_MS = 10_000;

const Check = z.object({
  at: z.string(),
  ok: z.boolean(),
  took_ms: z.number(),
  code: z.string().nullable(),
});
const Figures = z.object({
  running: z.number().nullable(),
  waiting: z.number().nullable(),
  cache_used: z.number().nullable(),
  first_token_s: z.number().nullable(),
});
const Failure = z.object({
  at: z.string(),
  error: z.string(),
  code: z.string(),
  next_step: z.string().nullish(),
});
const ModelServer = z.object({
  services: z.array(z.string()),
  provider: z.string(),
  address: z.string(),
  state: z.enum(["up", "down", "unasked"]),
  figures: Figures.nullable(),
  last_failure: Failure.nullable(),
  checks: z.array(Check),
});
const Status = z.object({
  store: z.object({
    kind: z.string(),
    postgres: z.string(),
    pgvector: z.string().nullable(),
    location: z.string(),
    bytes: z.number().nullable(),
    rows: z.record(z.string(), z.number()),
    indexes_waiting: z.number(),
  }),
  jobs: z.record(z.string(), z.number()),
  workers: z.array(
    z.object({ name: z.string(), jobs: z.number(), duty: z.string().nullable(), lease_until: z.string() }),
  ),
  models: z.array(ModelServer),
  errors: z.array(z.object({ code: z.string(), provider: z.string(), count: z.number() })),
});

export type StatusOfAll = z.output<typeof Status>;
export type ModelServerStatus = z.output<typeof ModelServer>;
export type ServerCheck = z.output<typeof Check>;
export type ServerFigures = z.output<typeof Figures>;

/** How the store, the workers and the model servers are; asked again while somebody looks. */
export function useStatus() {
  return useQuery({
    queryKey: ["status"],
    queryFn: ({ signal }) => request(Status, "/api/status", { signal }),
    refetchInterval: LIVE_MS,
  });
}
