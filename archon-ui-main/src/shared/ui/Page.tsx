import type { ReactNode } from "react";

interface PageProps {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  /** Stands above the title: the way back. */
  above?: ReactNode;
  children: ReactNode;
}

/** The frame of a page: its title in the tab, its heading, and one column of content. */
export function Page({ title, lead, actions, above, children }: PageProps) {
  return (
    <div className="mx-auto w-full max-w-4xl px-4 pb-28 pt-6 sm:px-6 sm:pt-10">
      <title>{`${title} · Archon`}</title>
      {above}
      <header className="mb-7 flex flex-wrap items-end justify-between gap-4">
        <div className="min-w-0 max-w-2xl">
          <h1 className="font-serif text-[1.875rem] font-semibold leading-tight tracking-[-0.01em] sm:text-4xl">
            {title}
          </h1>
          {lead && <div className="mt-2 text-soft">{lead}</div>}
        </div>
        {actions}
      </header>
      {children}
    </div>
  );
}
