import { LoaderCircle } from "lucide-react";
import type { ComponentProps } from "react";
import { classes } from "@/shared/lib/classes";

type Look = "primary" | "secondary" | "quiet" | "danger";

const LOOKS: Record<Look, string> = {
  primary: "bg-accent text-accent-ink not-disabled:hover:bg-accent-hover border-transparent font-semibold",
  secondary: "bg-surface text-ink border-edge/60 not-disabled:hover:border-edge not-disabled:hover:bg-sunken",
  quiet:
    "bg-transparent text-soft border-transparent not-disabled:hover:bg-sunken not-disabled:hover:text-ink",
  danger: "bg-bad text-surface border-transparent not-disabled:hover:opacity-90 font-semibold",
};

/** The looks of a button for elements that are links. */
export function buttonClasses(look: Look = "secondary", small = false): string {
  return classes(
    "inline-flex items-center justify-center gap-2 rounded-[0.625rem] border font-medium transition-colors",
    "disabled:opacity-55 select-none",
    small ? "min-h-9 px-3 text-sm" : "min-h-[2.625rem] px-4",
    LOOKS[look],
  );
}

interface ButtonProps extends ComponentProps<"button"> {
  look?: Look;
  small?: boolean;
  /** Shows that the work runs; the button keeps its name and its focus, and does not act twice. */
  busy?: boolean;
}

export function Button({ look, small, busy, className, children, disabled, onClick, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={classes(buttonClasses(look, small), className)}
      disabled={disabled}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
    >
      {busy && <LoaderCircle aria-hidden className="size-4 animate-spin" />}
      {children}
    </button>
  );
}

interface IconButtonProps extends ComponentProps<"button"> {
  /** What the button does: its name for a screen reader, and its tooltip. */
  label: string;
}

export function IconButton({ label, className, children, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-label={label}
      title={label}
      className={classes(
        "inline-grid size-9 shrink-0 place-items-center rounded-[0.625rem] text-soft transition-colors",
        "not-disabled:hover:bg-sunken not-disabled:hover:text-ink disabled:opacity-50",
        className,
      )}
    >
      {children}
    </button>
  );
}
