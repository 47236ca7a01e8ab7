import type { ServiceId, Settings } from "@/shared/api/settings";
import type { Provider, ProviderField } from "./api/schemas";
import { fieldsOf, modelKey, SERVICES, type Service } from "./services";

/** What was changed in the form and not saved: text, or null to remove what is stored. */
export type Draft = Readonly<Record<string, string | null>>;

export type DraftAction =
  | { type: "set"; key: string; value: string }
  | { type: "remove"; key: string }
  | { type: "keep"; key: string }
  | { type: "apply"; values: Record<string, string> }
  | { type: "reset" };

export function draftReducer(draft: Draft, action: DraftAction): Draft {
  switch (action.type) {
    case "set":
      return { ...draft, [action.key]: action.value.trim() === "" ? null : action.value };
    case "remove":
      return { ...draft, [action.key]: null };
    case "apply":
      return { ...draft, ...action.values };
    case "keep":
      return Object.fromEntries(Object.entries(draft).filter(([key]) => key !== action.key));
    case "reset":
      return {};
  }
}

/** What a field shows: the draft, else what is saved; never a secret, and a default only as placeholder. */
export function shownValue(settings: Settings, draft: Draft, key: string): string {
  if (key in draft) return draft[key] ?? "";
  const saved = settings.values[key];
  if (!saved || saved.secret || saved.source === "default") return "";
  return saved.value ?? "";
}

/** The part of the draft that differs from what is saved. */
export function changes(settings: Settings, draft: Draft): Record<string, string | null> {
  return Object.fromEntries(Object.entries(draft).filter(([key, value]) => differs(settings, key, value)));
}

function differs(settings: Settings, key: string, value: string | null): boolean {
  const saved = settings.values[key];
  const service = serviceOfKey(settings, key);
  if (service && value === settings.services[service].provider) return false;
  if (value === null) return saved?.source === "database" && saved.has_value;
  if (!saved || saved.secret) return true;
  return value !== saved.value;
}

function serviceOfKey(settings: Settings, key: string): ServiceId | null {
  return SERVICES.find(({ id }) => settings.provider_keys[id] === key)?.id ?? null;
}

export function chosenProvider(settings: Settings, draft: Draft, service: ServiceId): string | null {
  const key = settings.provider_keys[service];
  const removed = draft[key] === null && settings.values[key]?.source !== "environment";
  return removed ? null : (draft[key] ?? settings.services[service].provider);
}

/** Unsaved values of one provider, as a check wants them: null stands for removed. */
export function unsavedValues(provider: Provider, draft: Draft): Record<string, string | null> {
  const keys = [
    ...provider.fields.map((field) => field.key),
    provider.chat_model_key,
    provider.embedding_model_key,
    provider.rerank_model_key,
  ];
  return Object.fromEntries(keys.flatMap((key) => (key && key in draft ? [[key, draft[key] ?? null]] : [])));
}

/** Required fields of a service that have no value from anywhere. */
export function missingFields(
  settings: Settings,
  draft: Draft,
  provider: Provider,
  service: Service,
): ProviderField[] {
  return fieldsOf(provider, service).filter((field) => field.required && !hasValue(settings, draft, field));
}

function hasValue(settings: Settings, draft: Draft, field: ProviderField): boolean {
  const typed = draft[field.key];
  if (typed) return true;
  const saved = settings.values[field.key];
  const removed = field.key in draft && saved?.source === "database";
  return (saved?.has_value === true && !removed) || field.default != null;
}

/** Whether saving would embed with another model than the stored vectors came from. */
export function changesEmbeddingModel(
  settings: Settings,
  draft: Draft,
  providers: readonly Provider[],
): boolean {
  const changed = changes(settings, draft);
  if (settings.provider_keys.embedding in changed) return true;
  const id = chosenProvider(settings, draft, "embedding");
  const provider = providers.find((one) => one.id === id);
  const key = provider?.embedding_model_key;
  if (!key || !(key in changed)) return false;
  return changed[key] !== settings.services.embedding.model;
}

const PROVIDER_LABELS: Record<ServiceId, string> = {
  llm: "Chat provider",
  embedding: "Embedding provider",
  rerank: "Rerank provider",
};

export const CONTEXTS_WANTED = "USE_CONTEXTUAL_EMBEDDINGS";
export const CONTEXTS_AT_ONCE = "CONTEXTUAL_EMBEDDINGS_MAX_WORKERS";

/** Settings that belong to no provider. */
const OWN_LABELS: Record<string, string> = {
  [CONTEXTS_WANTED]: "Contextual embeddings",
  [CONTEXTS_AT_ONCE]: "Calls for contexts at once",
};

/** The form's fields by key, for words about them. */
export function labelOf(settings: Settings, providers: readonly Provider[], key: string): string {
  const service = serviceOfKey(settings, key);
  if (service) return PROVIDER_LABELS[service];
  const field = providers.flatMap((provider) => provider.fields).find((one) => one.key === key);
  return field?.label ?? OWN_LABELS[key] ?? key;
}

/** The model's field, where the provider declares it only by its key. */
export function formFields(provider: Provider, service: Service): ProviderField[] {
  const fields = fieldsOf(provider, service);
  const key = modelKey(provider, service);
  if (!key || fields.some((field) => field.key === key)) return fields;
  const model: ProviderField = {
    key,
    label: `${service.title} model`,
    kind: "model",
    help: "",
    placeholder: "",
    default: null,
    required: false,
    capability: service.capability,
    choices: [],
  };
  return [...fields, model];
}
