import { classes } from "@/shared/lib/classes";

interface SkeletonProps {
  rows: number;
  /** Height and width classes of a row. */
  shape: string;
  label?: string;
}

/** Grey rows in the shape of what is being loaded. */
export function Skeleton({ rows, shape, label = "Loading" }: SkeletonProps) {
  return (
    <div role="status" aria-label={label} className="space-y-3">
      {[...Array(rows).keys()].map((row) => (
        <div key={row} className={classes("shimmer", shape)} />
      ))}
    </div>
  );
}
