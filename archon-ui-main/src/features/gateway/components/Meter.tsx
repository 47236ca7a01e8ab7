import { classes } from "@/shared/lib/classes";

interface MeterProps {
  label: string;
  /** 0 to 1. */
  part: number;
  /** What stands beside the bar, and what a screen reader hears. */
  value: string;
}

/** How much of something is used; it warns by its colour from nine tenths on. */
export function Meter({ label, part, value }: MeterProps) {
  const share = Math.min(1, Math.max(0, part));
  return (
    <div>
      <div className="flex items-baseline justify-between gap-2 text-sm">
        <span className="text-soft">{label}</span>
        <span className="font-medium tabular-nums">{value}</span>
      </div>
      <meter className="sr-only" aria-label={label} aria-valuetext={value} value={share} />
      <div aria-hidden className="mt-1 h-1.5 overflow-hidden rounded-full bg-sunken">
        <div
          className={classes(
            "h-full rounded-full transition-[width] duration-500",
            share >= 0.9 ? "bg-warn" : "bg-accent",
          )}
          style={{ width: `${share * 100}%` }}
        />
      </div>
    </div>
  );
}
