import { useQuery } from "@tanstack/react-query";
import { z } from "zod";
import { request } from "./client";
import { ErrorBody } from "./errors";

const Warning = z.object({
  code: z.string(),
  message: z.string(),
  next_step: z.string().nullish(),
});
export type Warning = z.infer<typeof Warning>;

const ServiceState = z.object({
  provider: z.string().nullable(),
  model: z.string().nullish(),
  model_discovered: z.boolean().catch(false),
  base_url: z.string().nullish(),
  ready: z.boolean(),
  problem: ErrorBody.nullish(),
  warnings: z.array(Warning).catch([]),
});
export type ServiceState = z.infer<typeof ServiceState>;

const SettingValue = z.object({
  value: z.string().nullable(),
  source: z.enum(["database", "environment", "default"]),
  secret: z.boolean(),
  has_value: z.boolean(),
  state: z.enum(["ok", "must_be_entered_again"]).catch("ok"),
});
export type SettingValue = z.infer<typeof SettingValue>;

/** What Archon uses a model for; the words of REST. */
export type ServiceId = "llm" | "embedding" | "rerank";

/** A service that nobody chose a provider for, and that works without one. */
const NOT_CHOSEN: ServiceState = {
  provider: null,
  model_discovered: false,
  ready: false,
  warnings: [],
};

export const Settings = z.object({
  services: z.object({
    llm: ServiceState,
    embedding: ServiceState,
    rerank: ServiceState.default(NOT_CHOSEN),
  }),
  provider_keys: z.object({ llm: z.string(), embedding: z.string(), rerank: z.string() }),
  values: z.record(z.string(), SettingValue),
  first_run: z.object({ provider_chosen: z.boolean(), knowledge: z.boolean(), question_asked: z.boolean() }),
});
export type Settings = z.infer<typeof Settings>;

export const SETTINGS_KEY = ["settings"] as const;

/** The values in force and where they come from. */
export function useSettings() {
  return useQuery({
    queryKey: SETTINGS_KEY,
    queryFn: ({ signal }) => request(Settings, "/api/settings", { signal }),
  });
}
