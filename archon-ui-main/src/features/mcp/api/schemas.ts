import { z } from "zod";
import { ErrorBody } from "@/shared/api/errors";

const text = z.string().nullish().catch(null);

export const McpStatus = z.object({
  status: z.string(),
  uptime: z.number().nullish().catch(null),
  message: text,
  next_step: text,
});
export type McpStatus = z.infer<typeof McpStatus>;

export const McpConfig = z.object({
  url: z.string(),
  host: z.string(),
  port: z.number(),
  transport: z.string(),
  token_required: z.boolean().catch(false),
});
export type McpConfig = z.infer<typeof McpConfig>;

const McpClient = z.object({
  name: z.string(),
  version: z.string().catch(""),
  last_seen: z.string(),
  requests: z.number().catch(0),
});
export type McpClient = z.infer<typeof McpClient>;

export const McpClients = z.object({ clients: z.array(McpClient), total: z.number().catch(0) });

const TrialStep = z.object({
  step: z.string(),
  ok: z.boolean(),
  detail: z.string().catch(""),
  took_ms: z.number().catch(0),
});

export const Trial = z.object({
  ok: z.boolean(),
  url: z.string(),
  steps: z.array(TrialStep),
  tools: z.array(z.object({ name: z.string(), description: z.string().catch("") })),
  error: ErrorBody.nullish().catch(null),
});
export type Trial = z.infer<typeof Trial>;
