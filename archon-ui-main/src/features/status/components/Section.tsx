import type { ReactNode } from "react";

interface SectionProps {
  id: string;
  title: string;
  /** What stands beside the title. */
  beside?: ReactNode;
  children: ReactNode;
}

/** One card of the page, named by its heading. */
export function Section({ id, title, beside, children }: SectionProps) {
  return (
    <section aria-labelledby={id} className="card overflow-hidden">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line bg-sunken/50 px-4 py-3 sm:px-5">
        <h2 id={id} className="font-serif text-lg font-semibold">
          {title}
        </h2>
        {beside}
      </header>
      <div className="space-y-4 px-4 py-4 sm:px-5">{children}</div>
    </section>
  );
}
