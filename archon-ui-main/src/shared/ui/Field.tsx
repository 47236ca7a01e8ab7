import { type ReactNode, useId } from "react";
import { classes } from "@/shared/lib/classes";

export interface FieldIds {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}

interface FieldProps {
  label: ReactNode;
  help?: ReactNode;
  error?: string | null;
  /** Stands at the right of the label: where a value comes from, say. */
  aside?: ReactNode;
  optional?: boolean;
  className?: string;
  children: (ids: FieldIds) => ReactNode;
}

/** A label, a control, its help and its error, tied together for whoever cannot see them. */
export function Field({ label, help, error, aside, optional, className, children }: FieldProps) {
  const id = useId();
  const described = classes(help ? `${id}-help` : null, error ? `${id}-error` : null) || undefined;
  return (
    <div className={classes("space-y-1.5", className)}>
      <div className="flex flex-wrap items-baseline justify-between gap-x-3">
        <label htmlFor={id} className="font-medium">
          {label}
          {optional && <span className="ml-1.5 text-sm font-normal text-soft">optional</span>}
        </label>
        {aside && <span className="text-[0.8125rem] text-soft">{aside}</span>}
      </div>
      {children({ id, "aria-describedby": described, "aria-invalid": error ? true : undefined })}
      {error && (
        <p id={`${id}-error`} role="alert" className="text-sm font-medium text-bad">
          {error}
        </p>
      )}
      {help && (
        <p id={`${id}-help`} className="text-sm text-soft">
          {help}
        </p>
      )}
    </div>
  );
}
