import type { Values } from "./api/queries";
import type { Connection, ProviderField } from "./api/schemas";

/** What stands in a form, by field: text as it was typed, switches as booleans. */
export type Draft = Record<string, string | boolean>;

const SECRET = "secret";

/** The form of a stored connection, or of a new one. */
export function draftOf(fields: readonly ProviderField[], connection: Connection | null): Draft {
  const stored: Record<string, unknown> = connection ? { ...connection } : {};
  return Object.fromEntries(
    fields
      .filter((field) => field.kind !== SECRET)
      .map((field) => [field.key, shown(field, stored[field.key])]),
  );
}

function shown(field: ProviderField, value: unknown): string | boolean {
  if (field.kind === "switch") return value === undefined ? field.default === "true" : value === true;
  if (value === null || value === undefined) return "";
  return String(value);
}

/** The form as the server takes it. A secret is told only where one was typed (text) or removed (null). */
export function valuesOf(
  fields: readonly ProviderField[],
  draft: Draft,
  secrets: Record<string, string | null>,
): Values {
  const values: Values = {};
  for (const field of fields) {
    const value = draft[field.key];
    if (field.kind === SECRET) {
      const typed = secrets[field.key];
      if (typed !== undefined && typed !== "") values[field.key] = typed;
    } else if (typeof value === "boolean") values[field.key] = value;
    else values[field.key] = parsed(field, value ?? "");
  }
  return values;
}

const NUMBERS = new Set(["timeout", "max_tokens", "temperature"]);

/** A number where one is meant; what is none goes as it is, and the server says so at its field. */
function parsed(field: ProviderField, text: string): string | number | null {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  const number = Number(trimmed.replace(",", "."));
  return NUMBERS.has(field.key) && !Number.isNaN(number) ? number : trimmed;
}
