import { useReducer } from "react";
import { ApiError } from "@/shared/api/errors";
import type { Settings } from "@/shared/api/settings";
import { useSaveSettings } from "../api/queries";
import type { Provider } from "../api/schemas";
import {
  changes,
  chosenProvider,
  type Draft,
  type DraftAction,
  draftReducer,
  labelOf,
  shownValue,
} from "../draft";
import { modelKey, type Service } from "../services";

export interface SettingsForm {
  settings: Settings;
  providers: readonly Provider[];
  draft: Draft;
  changed: Record<string, string | null>;
  dispatch: (action: DraftAction) => void;
  shown: (key: string) => string;
  /** The server's refusal, where it names this key. */
  errorAt: (key: string) => string | null;
  /** The refusal, where no shown field is to blame. */
  error: Error | null;
  saving: boolean;
  saved: boolean;
  save: () => void;
  /** `id` null: nobody, for a service that works without. */
  choose: (service: Service, id: string | null) => void;
  labelOf: (key: string) => string;
}

/** The settings form: what was changed, what the server refused, and saving all of it together. */
export function useSettingsForm(settings: Settings, providers: readonly Provider[]): SettingsForm {
  const [draft, dispatch] = useReducer(draftReducer, {});
  const mutation = useSaveSettings();
  const changed = changes(settings, draft);
  const field = mutation.error instanceof ApiError ? mutation.error.body.field : null;
  const known = new Set([
    ...Object.values(settings.provider_keys),
    ...providers.flatMap((one) => [
      one.chat_model_key,
      one.embedding_model_key,
      one.rerank_model_key,
      ...one.fields.map((f) => f.key),
    ]),
  ]);

  const choose = (service: Service, id: string | null) => {
    const key = settings.provider_keys[service.id];
    const saved = settings.services[service.id].provider;
    const before = providers.find((one) => one.id === chosenProvider(settings, draft, service.id));
    const after = providers.find((one) => one.id === id);
    const shared = after && before && modelKey(after, service) === modelKey(before, service);
    const model = shared ? modelKey(after, service) : null;
    if (id === saved) {
      dispatch({ type: "keep", key });
      if (model) dispatch({ type: "keep", key: model });
      return;
    }
    dispatch(id === null ? { type: "remove", key } : { type: "set", key, value: id });
    // A model's name kept for several providers means nothing to the next one.
    if (model) dispatch({ type: "remove", key: model });
  };

  return {
    settings,
    providers,
    draft,
    changed,
    dispatch: (action) => {
      mutation.reset();
      dispatch(action);
    },
    shown: (key) => shownValue(settings, draft, key),
    errorAt: (key) => (field === key && mutation.error ? mutation.error.message : null),
    error: field && known.has(field) ? null : mutation.error,
    saving: mutation.isPending,
    saved: mutation.isSuccess,
    save: () => mutation.mutate(changed, { onSuccess: () => dispatch({ type: "reset" }) }),
    choose,
    labelOf: (key) => labelOf(settings, providers, key),
  };
}
