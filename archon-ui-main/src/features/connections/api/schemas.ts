import { z } from "zod";
import { ProviderField, ServedModel } from "@/features/providers";
import { ErrorBody } from "@/shared/api/errors";

export { CheckResult, type ProviderField } from "@/features/providers";

export const Connection = z.object({
  id: z.string(),
  name: z.string(),
  provider: z.string(),
  provider_label: z.string(),
  base_url: z.string().nullish(),
  model: z.string().nullish(),
  has_key: z.boolean(),
  timeout: z.number(),
  max_tokens: z.number().nullish(),
  temperature: z.number().nullish(),
  is_local: z.boolean(),
  is_default: z.boolean(),
  read_only: z.boolean(),
  ready: z.boolean(),
  problem: ErrorBody.nullish(),
});
export type Connection = z.infer<typeof Connection>;

const Kind = z.object({ id: z.string(), label: z.string(), local: z.boolean().catch(false) });
export type Kind = z.infer<typeof Kind>;

export const ConnectionList = z.object({
  connections: z.array(Connection),
  default: z.string().nullish(),
  fields: z.array(ProviderField),
  providers: z.array(Kind),
});
export type ConnectionList = z.infer<typeof ConnectionList>;

export const ModelList = z.object({ models: z.array(ServedModel) });

export const Detected = z.object({
  provider: z.string(),
  label: z.string(),
  version: z.string().nullish(),
  models: z.array(ServedModel),
  problem: ErrorBody.nullish(),
  values: z.object({
    provider: z.string(),
    base_url: z.string(),
    model: z.string().nullish(),
    is_local: z.boolean().optional(),
  }),
});
export type Detected = z.infer<typeof Detected>;

export const Imported = z.object({
  created: z.array(z.string()),
  replaced: z.array(z.string()),
  kept: z.array(z.string()),
  keys_dropped: z.array(z.string()),
  ignored: z.array(z.string()),
});
export type Imported = z.infer<typeof Imported>;
