import type { z } from "zod";
import type { Passage } from "@/features/ask/api/schemas";
import type { Provider } from "@/features/providers/api/schemas";
import type { ErrorBody } from "@/shared/api/errors";
import type { Settings } from "@/shared/api/settings";

type Field = Provider["fields"][number];

export function field(changes: Partial<Field> & Pick<Field, "key" | "label" | "kind">): Field {
  return {
    help: "",
    placeholder: "",
    default: null,
    required: false,
    capability: null,
    choices: [],
    ...changes,
  };
}

/** Two providers of no real name: nothing in these pages may know one. */
export const PROVIDERS: Provider[] = [
  {
    id: "alpha",
    label: "Alpha",
    summary: "Your own servers.",
    docs_url: "",
    capabilities: ["chat", "embeddings", "rerank"],
    local: true,
    fields: [
      field({ key: "ALPHA_URL", label: "Server address", kind: "url", required: true }),
      field({ key: "ALPHA_KEY", label: "API key", kind: "secret" }),
      field({ key: "ALPHA_CHAT_MODEL", label: "Chat model", kind: "model", capability: "chat" }),
      field({
        key: "ALPHA_EMBEDDING_MODEL",
        label: "Embedding model",
        kind: "model",
        capability: "embeddings",
      }),
      field({ key: "ALPHA_RERANK_URL", label: "Rerank address", kind: "url", capability: "rerank" }),
      field({
        key: "ALPHA_FORMAT",
        label: "Format",
        kind: "choice",
        capability: "embeddings",
        choices: ["x", "y"],
      }),
    ],
    chat_model_key: "ALPHA_CHAT_MODEL",
    embedding_model_key: "ALPHA_EMBEDDING_MODEL",
    rerank_model_key: "ALPHA_RERANK_MODEL",
    chat_models: [],
    embedding_models: [],
  },
  {
    id: "beta",
    label: "Beta",
    summary: "Somebody's cloud.",
    docs_url: "",
    capabilities: ["chat"],
    local: false,
    fields: [
      field({ key: "BETA_KEY", label: "Cloud key", kind: "secret", required: true }),
      field({ key: "BETA_TRIES", label: "Tries", kind: "integer", default: "3" }),
      field({ key: "BETA_FAST", label: "Fast lane", kind: "switch" }),
    ],
    chat_model_key: "BETA_MODEL",
    embedding_model_key: null,
    chat_models: ["beta-large"],
    embedding_models: [],
  },
];

const plain = (value: string, source: "database" | "environment" | "default") =>
  ({ value, source, secret: false, has_value: true, state: "ok" }) as const;

export const SETTINGS: Settings = {
  services: {
    llm: {
      provider: "alpha",
      model: "tiny-chat",
      model_discovered: true,
      base_url: "http://127.0.0.1:9001/v1",
      ready: true,
      problem: null,
      warnings: [],
    },
    embedding: {
      provider: "alpha",
      model: "tiny-embed",
      model_discovered: true,
      base_url: "http://127.0.0.1:9001/v1",
      ready: true,
      problem: null,
      warnings: [
        { code: "short", message: "It reads 256 tokens at once.", next_step: "Passages are cut to fit." },
      ],
    },
    rerank: { provider: null, model_discovered: false, ready: false, problem: null, warnings: [] },
  },
  provider_keys: { llm: "LLM_PROVIDER", embedding: "EMBEDDING_PROVIDER", rerank: "RERANK_PROVIDER" },
  values: {
    ALPHA_URL: plain("http://127.0.0.1:9001", "environment"),
    ALPHA_KEY: { value: null, source: "database", secret: true, has_value: true, state: "ok" },
  },
  first_run: { provider_chosen: true, knowledge: true, question_asked: true },
};

export function errorBody(
  changes: Partial<ErrorBody> = {},
): z.input<typeof import("@/shared/api/errors").ErrorBody> {
  return {
    error: "Nothing listens on 127.0.0.1:9999.",
    code: "connection_refused",
    retryable: true,
    next_step: "Check the port.",
    ...changes,
  };
}

export const PASSAGES: Passage[] = [
  {
    number: 1,
    chunk_id: "11",
    source_id: "py",
    page_id: "p1",
    url: "https://docs.example.org/tasks",
    title: "Tasks",
    heading_path: ["Tasks", "Running"],
    text: "gather runs awaitables **concurrently**.",
    similarity: 0.8,
    page_number: null,
  },
  {
    number: 2,
    chunk_id: "12",
    source_id: "py",
    page_id: "p1",
    url: "https://docs.example.org/groups",
    title: "Groups",
    heading_path: [],
    text: "A group waits for all of its tasks.",
    similarity: 0.6,
    page_number: null,
  },
];

export const SOURCE = {
  source_id: "py",
  title: "Python reference",
  url: "https://docs.example.org/",
  status: "active",
  document_count: 41,
  code_examples_count: 0,
  page_count: 3,
  word_count: 900,
  knowledge_type: "technical",
  source_type: "url",
  created_at: "2026-11-20T09:00:00Z",
  updated_at: "2026-11-20T09:00:00Z",
  metadata: { tags: ["python"] },
  last_job: null,
};

const LAB = {
  id: "lab",
  name: "Lab",
  provider: "one",
  provider_label: "First provider",
  base_url: "http://127.0.0.1:8101/v1",
  model: "small",
  has_key: false,
  timeout: 120,
  max_tokens: null,
  temperature: null,
  is_local: true,
  is_default: false,
  read_only: false,
  ready: true,
  problem: null,
};

/** The one of Settings, and another. */
export const CONNECTIONS = {
  connections: [{ ...LAB, id: "settings:llm", name: "Settings", read_only: true, is_default: true }, LAB],
  default: "settings:llm",
  fields: [],
  providers: [{ id: "one", label: "First provider" }],
};
