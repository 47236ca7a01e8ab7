import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { classes } from "@/shared/lib/classes";
import type { Tone } from "./Notice";

const TONES: Record<Tone | "plain", string> = {
  good: "bg-good-wash text-good",
  warn: "bg-warn-wash text-warn",
  bad: "bg-bad-wash text-bad",
  info: "bg-accent-wash text-accent",
  plain: "bg-sunken text-soft",
};

interface WordProps {
  tone?: Tone | "plain";
  Icon?: LucideIcon;
  spin?: boolean;
  children: ReactNode;
}

/** A state in a word, with an icon beside it. */
export function Word({ tone = "plain", Icon, spin, children }: WordProps) {
  return (
    <span
      className={classes(
        "inline-flex items-center gap-1.5 whitespace-nowrap rounded-full px-2.5 py-0.5 text-[0.8125rem] font-medium",
        TONES[tone],
      )}
    >
      {Icon && <Icon aria-hidden className={classes("size-3.5", spin && "animate-spin")} />}
      {children}
    </span>
  );
}
