import { useReducer } from "react";
import { ApiError } from "@/shared/api/errors";
import { useSaveConnection, type Values } from "../api/queries";
import type { Connection, ConnectionList } from "../api/schemas";
import { type Draft, draftOf, valuesOf } from "../draft";

interface State {
  draft: Draft;
  /** By field: what was typed; null: to be removed. */
  secrets: Record<string, string | null>;
}

type Action =
  | { type: "set"; key: string; value: string | boolean }
  | { type: "fill"; values: Record<string, string | boolean | null | undefined> }
  | { type: "secret"; key: string; value: string | null | undefined };

function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "set":
      return { ...state, draft: { ...state.draft, [action.key]: action.value } };
    case "fill": {
      const filled = Object.entries(action.values).filter(([, value]) => value != null && value !== "");
      return { ...state, draft: { ...state.draft, ...(Object.fromEntries(filled) as Draft) } };
    }
    case "secret": {
      const { [action.key]: _, ...others } = state.secrets;
      return {
        ...state,
        secrets: action.value === undefined ? others : { ...others, [action.key]: action.value },
      };
    }
  }
}

export interface ConnectionForm {
  id: string | null;
  connection: Connection | null;
  list: ConnectionList;
  draft: Draft;
  secrets: Record<string, string | null>;
  dispatch: (action: Action) => void;
  /** As the server takes it. */
  values: Values;
  /** The error that belongs to a field, where the last save failed there. */
  errorAt: (key: string) => string | null;
  /** The last failure where it belongs to no field of the form. */
  error: Error | null;
  saving: boolean;
  save: (onSaved: (saved: Connection) => void) => void;
}

/** A connection being made or changed: nothing is stored before it is saved. */
export function useConnectionForm(list: ConnectionList, connection: Connection | null): ConnectionForm {
  const start = { draft: draftOf(list.fields, connection), secrets: {} };
  const [state, dispatch] = useReducer(reduce, start);
  const save = useSaveConnection();
  const id = connection?.id ?? null;
  const values = valuesOf(list.fields, state.draft, state.secrets);
  const field = save.error instanceof ApiError ? save.error.body.field : null;
  const hasField = list.fields.some((one) => one.key === field);
  return {
    id,
    connection,
    list,
    ...state,
    dispatch,
    values,
    errorAt: (key) => (save.error && field === key ? messageOf(save.error) : null),
    error: hasField ? null : save.error,
    saving: save.isPending,
    save: (onSaved) => save.mutate({ id, values }, { onSuccess: onSaved }),
  };
}

function messageOf(error: Error): string {
  const next = error instanceof ApiError ? error.body.next_step : null;
  return next ? `${error.message} ${next}` : error.message;
}
