import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

interface EmptyStateProps {
  Icon: LucideIcon;
  title: string;
  children?: ReactNode;
}

/** Nothing here yet, what would be here, and how it gets here. */
export function EmptyState({ Icon, title, children }: EmptyStateProps) {
  return (
    <div className="flex flex-col items-center px-4 py-12 text-center">
      <span className="mb-4 grid size-14 place-items-center rounded-2xl bg-accent-wash text-accent">
        <Icon aria-hidden className="size-6" />
      </span>
      <h2 className="font-serif text-xl font-semibold">{title}</h2>
      <div className="mt-2 max-w-md space-y-4 text-soft">{children}</div>
    </div>
  );
}
