import { z } from "zod";
import { ErrorBody } from "@/shared/api/errors";

const Counts = z.record(z.string(), z.number()).catch({});

/** Why a server is out, in the gateway's words. */
const Trouble = z.object({ message: z.string(), code: z.string(), next_step: z.string().nullish() });

/** vLLM's own account of itself; `kv_cache_used` is 0 to 1. */
const Figures = z.object({
  running: z.number().catch(0),
  waiting: z.number().catch(0),
  kv_cache_used: z.number().catch(0),
});
export type Figures = z.infer<typeof Figures>;

/** States of a later gateway that this page does not know count as not ready. */
const State = z.enum(["new", "ready", "ejected", "wrong", "draining"]).catch("new");
export type State = z.infer<typeof State>;

export const Upstream = z.object({
  name: z.string(),
  url: z.string(),
  state: State,
  outstanding: z.number().catch(0),
  limit: z.number().catch(0),
  back_in_s: z.number().nullish(),
  last_error: Trouble.nullish(),
  models: z.record(z.string(), z.number().nullable()).catch({}),
  abilities: z.array(z.string()).catch([]),
  version: z.string().nullish(),
  figures: Figures.nullish(),
  requests: z.number().catch(0),
  errors: Counts,
});
export type Upstream = z.infer<typeof Upstream>;

export const Pool = z.object({
  name: z.string(),
  can_serve: z.boolean(),
  queued: z.number().catch(0),
  aliases: z.record(z.string(), z.string()).catch({}),
  options: z
    .object({ heal: z.boolean().catch(false), affinity: z.string().catch("off") })
    .catch({ heal: false, affinity: "off" }),
  upstreams: z.array(Upstream),
});
export type Pool = z.infer<typeof Pool>;

const Spread = z.object({
  count: z.number().catch(0),
  p50_s: z.number().nullish(),
  p95_s: z.number().nullish(),
});

export const Account = z.object({
  version: z.string().catch(""),
  started: z.number(),
  totals: z
    .object({
      running: z.number().catch(0),
      requests: z.number().catch(0),
      errors: Counts,
      streams: Counts,
      retries: z.number().catch(0),
    })
    .catch({ running: 0, requests: 0, errors: {}, streams: {}, retries: 0 }),
  first_token: z.record(z.string(), Spread).catch({}),
  draining: z.array(z.object({ name: z.string(), url: z.string(), outstanding: z.number() })).catch([]),
  pools: z.array(Pool),
});
export type Account = z.infer<typeof Account>;

/** The server's answer: the gateway's account of itself, or why there is none. */
export const GatewayStatus = z.object({
  address: z.string().nullish(),
  used_by: z.array(z.string()).catch([]),
  status: Account.nullish(),
  error: ErrorBody.nullish(),
});
export type GatewayStatus = z.infer<typeof GatewayStatus>;

const Link = z.object({
  provider: z.string(),
  label: z.string().nullish(),
  healthy: z.boolean().nullable(),
  models: z.array(z.string()).catch([]),
  latency_s: z.number().nullish(),
  last_error: ErrorBody.nullish(),
});
export type Link = z.infer<typeof Link>;

export const InferenceHealth = z.object({
  status: z.string(),
  enabled: z.boolean(),
  primary: Link.nullish(),
  fallbacks: z.array(Link).catch([]),
});
export type InferenceHealth = z.infer<typeof InferenceHealth>;
