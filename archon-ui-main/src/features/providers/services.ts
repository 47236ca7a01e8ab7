import type { ServiceId } from "@/shared/api/settings";
import type { Provider, ProviderField } from "./api/schemas";

export interface Service {
  id: ServiceId;
  title: string;
  purpose: string;
  capability: string;
  /** Further capabilities whose settings belong here. */
  also: readonly string[];
  /** Archon works without it, so nobody has to be chosen. */
  optional: boolean;
}

export const SERVICES: readonly Service[] = [
  {
    id: "llm",
    title: "Chat",
    purpose: "The model that writes the answers.",
    capability: "chat",
    also: ["completions", "tools"],
    optional: false,
  },
  {
    id: "embedding",
    title: "Embeddings",
    purpose: "The model that turns passages and questions into vectors, so that one finds the other.",
    capability: "embeddings",
    also: [],
    optional: false,
  },
  {
    id: "rerank",
    title: "Reranking",
    purpose: "A second model that reads what search found and puts the best first. Search works without it.",
    capability: "rerank",
    also: [],
    optional: true,
  },
];

export function modelKey(provider: Provider, service: Service): string | null {
  const keys = {
    llm: provider.chat_model_key,
    embedding: provider.embedding_model_key,
    rerank: provider.rerank_model_key,
  };
  return keys[service.id] ?? null;
}

/** The fields a service needs: its own and those for every service. */
export function fieldsOf(provider: Provider, service: Service): ProviderField[] {
  const needed: readonly string[] = [service.capability, ...service.also];
  return provider.fields.filter((field) => field.capability == null || needed.includes(field.capability));
}

/** Models known from the provider's declaration, before any server was asked. */
export function declaredModels(provider: Provider, service: Service): { value: string; note?: string }[] {
  if (service.id === "llm") return provider.chat_models.map((value) => ({ value }));
  if (service.id === "rerank") return [];
  return provider.embedding_models.map(({ name, dimensions }) => ({
    value: name,
    note: dimensions ? `${dimensions} dimensions` : undefined,
  }));
}
