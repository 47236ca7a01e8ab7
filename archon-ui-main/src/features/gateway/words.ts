import { CircleAlert, CircleCheck, CircleDashed, LogOut, type LucideIcon, TriangleAlert } from "lucide-react";
import type { Tone } from "@/shared/ui/Notice";
import type { State, Upstream } from "./api/schemas";

export interface Sign {
  word: string;
  tone: Tone | "plain";
  Icon: LucideIcon;
}

export const SIGNS: Record<State, Sign> = {
  ready: { word: "Serving", tone: "good", Icon: CircleCheck },
  ejected: { word: "Out", tone: "bad", Icon: CircleAlert },
  draining: { word: "Draining", tone: "warn", Icon: LogOut },
  new: { word: "Not answered yet", tone: "plain", Icon: CircleDashed },
  wrong: { word: "No model server", tone: "bad", Icon: TriangleAlert },
};

/** What a server is for, found out by the gateway: "Generates", "Embeds", "Reranks". */
export function kindOf({ abilities }: Pick<Upstream, "abilities">): string {
  const can = (...names: string[]) => names.some((name) => abilities.includes(name));
  const kinds = [
    can("chat", "completions") && "Generates",
    can("embeddings") && "Embeds",
    !can("embeddings") && can("rerank", "score") && "Reranks",
  ];
  return kinds.filter(Boolean).join(" and ").replace(" and E", " and e").replace(" and R", " and r");
}

/** 0.034 → "34 ms", 1.53 → "1.5 s". */
export function seconds(value: number | null | undefined): string {
  if (value == null) return "–";
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
}

/** "connection_refused" → "connection refused". */
export function plain(code: string): string {
  return code.replaceAll("_", " ");
}

/** The counts of a record, largest first. */
export function ranked(counts: Record<string, number>): [string, number][] {
  return Object.entries(counts).sort(([, one], [, other]) => other - one);
}
