import { z } from "zod";
import { ErrorBody } from "@/shared/api/errors";

/** Kinds of a later server that this page does not know are drawn as plain text. */
const FieldKind = z.enum(["url", "secret", "text", "model", "integer", "choice", "switch"]).catch("text");

export const ProviderField = z.object({
  key: z.string(),
  label: z.string(),
  kind: FieldKind,
  help: z.string().catch(""),
  placeholder: z.string().catch(""),
  default: z.string().nullish(),
  required: z.boolean().catch(false),
  capability: z.string().nullish(),
  choices: z.array(z.string()).catch([]),
});
export type ProviderField = z.infer<typeof ProviderField>;

const KnownEmbeddingModel = z.object({
  name: z.string(),
  dimensions: z.number().nullish(),
  batch_limit: z.number().nullish(),
});

export const Provider = z.object({
  id: z.string(),
  label: z.string(),
  summary: z.string(),
  docs_url: z.string().catch(""),
  capabilities: z.array(z.string()),
  local: z.boolean().catch(false),
  fields: z.array(ProviderField),
  chat_model_key: z.string().nullish(),
  embedding_model_key: z.string().nullish(),
  rerank_model_key: z.string().nullish(),
  chat_models: z.array(z.string()).catch([]),
  embedding_models: z.array(KnownEmbeddingModel).catch([]),
});
export type Provider = z.infer<typeof Provider>;

export const ProviderList = z.object({ providers: z.array(Provider) });

export const ServedModel = z.object({
  name: z.string(),
  max_model_len: z.number().nullish(),
  dimensions: z.number().nullish(),
});
export type ServedModel = z.infer<typeof ServedModel>;

export const ModelList = z.object({ models: z.array(ServedModel) });

const Fix = z.object({ label: z.string(), values: z.record(z.string(), z.string()) });
export type Fix = z.infer<typeof Fix>;

export const Finding = z.object({
  step: z.string(),
  ok: z.boolean(),
  message: z.string(),
  detail: z.string().nullish(),
  next_step: z.string().nullish(),
  fix: Fix.nullish(),
});
export type Finding = z.infer<typeof Finding>;

export const CheckResult = z.object({
  ok: z.boolean(),
  provider: z.string(),
  service: z.string(),
  base_url: z.string().nullish(),
  latency_ms: z.number().nullish(),
  server: z.string().nullish(),
  model: z.string().nullish(),
  max_model_len: z.number().nullish(),
  dimensions: z.number().nullish(),
  models: z.array(ServedModel).catch([]),
  findings: z.array(Finding).catch([]),
  error: ErrorBody.nullish(),
});
export type CheckResult = z.infer<typeof CheckResult>;

export const ProviderStatus = z.object({
  ok: z.boolean(),
  reason: z.string().nullish(),
  provider: z.string(),
});
