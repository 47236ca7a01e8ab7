import { Check } from "lucide-react";
import type { ReactNode } from "react";
import { classes } from "@/shared/lib/classes";

interface StepProps {
  number: number;
  title: string;
  done: boolean | undefined;
  current: boolean;
  /** Said in place of the step's content once it is done. */
  outcome: string;
  children: ReactNode;
}

/** One step of the guide: behind, now or ahead; only the present one is open. */
export function Step({ number, title, done, current, outcome, children }: StepProps) {
  const state = done ? "done" : current ? "do this now" : "comes later";
  return (
    <li
      aria-current={current ? "step" : undefined}
      className={classes("flex gap-4 rounded-2xl border p-4 sm:p-6", current ? "card" : "border-transparent")}
    >
      <span
        className={classes(
          "grid size-9 shrink-0 place-items-center rounded-full font-serif text-lg font-semibold",
          done && "bg-good-wash text-good",
          current && "bg-accent text-accent-ink",
          !done && !current && "bg-sunken text-soft",
        )}
      >
        {done ? <Check aria-hidden className="size-5" /> : <span aria-hidden>{number}</span>}
      </span>
      <div className="min-w-0 flex-1">
        <h2 className={classes("pt-1 text-lg font-semibold leading-snug", !done && !current && "text-soft")}>
          {title}
          <span className="sr-only">: {state}</span>
        </h2>
        {done && <p className="mt-0.5 text-soft">{outcome}</p>}
        {current && <div className="mt-2 space-y-4">{children}</div>}
      </div>
    </li>
  );
}
