import { count } from "@/shared/lib/format";

export type NumberName = "temperature" | "top_p" | "max_tokens" | "seed" | "match_count";

export interface NumberField {
  name: NumberName;
  label: string;
  help: string;
  placeholder: string;
  min: number;
  max: number;
  whole: boolean;
}

/** The sampling settings with their limits; `longest` is the longest answer that is possible, in tokens. */
export function numberFields(longest: number | null): NumberField[] {
  const most = longest ?? 1_000_000;
  return [
    {
      name: "temperature",
      label: "Temperature",
      help: "0 to 2",
      placeholder: "0.2 with knowledge",
      min: 0,
      max: 2,
      whole: false,
    },
    {
      name: "top_p",
      label: "Top p",
      help: "Above 0, up to 1",
      placeholder: "1",
      min: 0.001,
      max: 1,
      whole: false,
    },
    {
      name: "max_tokens",
      label: "Longest answer",
      help: longest ? `Tokens, up to ${count(longest)}` : "Tokens",
      placeholder: "as the context allows",
      min: 1,
      max: most,
      whole: true,
    },
    {
      name: "seed",
      label: "Seed",
      help: "The same seed, the same answer",
      placeholder: "none",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      whole: true,
    },
    {
      name: "match_count",
      label: "Passages",
      help: "Looked for, 1 to 50",
      placeholder: "6",
      min: 1,
      max: 50,
      whole: true,
    },
  ];
}

/** Why a typed number cannot be used; null where it can, or where nothing is typed. */
export function problemOf({ min, max, whole, label }: NumberField, typed: string): string | null {
  const text = typed.trim();
  if (text === "") return null;
  const value = Number(text);
  if (Number.isNaN(value)) return `${label} must be a number.`;
  if (whole && !Number.isInteger(value)) return `${label} must be a whole number.`;
  return value < min || value > max ? `${label} must lie between ${min} and ${count(max)}.` : null;
}
