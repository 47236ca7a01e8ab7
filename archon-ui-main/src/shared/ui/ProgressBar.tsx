interface ProgressBarProps {
  label: string;
  /** 0 to 100; null while nobody knows. */
  percent: number | null;
}

export function ProgressBar({ label, percent }: ProgressBarProps) {
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent === null ? undefined : Math.round(percent)}
      className="h-2 overflow-hidden rounded-full bg-sunken"
    >
      <div
        className={
          percent === null ? "shimmer h-full w-full" : "h-full rounded-full bg-accent transition-[width]"
        }
        style={percent === null ? undefined : { width: `${Math.max(2, percent)}%` }}
      />
    </div>
  );
}
