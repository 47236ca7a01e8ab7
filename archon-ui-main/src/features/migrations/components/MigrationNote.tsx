import { DatabaseZap } from "lucide-react";
import { Said } from "@/shared/ui/Said";
import { type MigrationsState, useMigrations } from "../api/migrations";

/** Says that the database needs a hand, and which; nothing at all while it does not. */
export function MigrationNote() {
  const { data } = useMigrations();
  if (!data?.next_step) return null;
  return (
    <section aria-label="Database" className="border-b border-warn/30 bg-warn-wash">
      <div className="mx-auto flex max-w-5xl gap-x-4 px-4 py-2.5 sm:px-6">
        <DatabaseZap aria-hidden className="mt-0.5 size-5 shrink-0 text-warn" />
        <div className="min-w-0 flex-1">
          <p>
            <span className="font-semibold">{title(data)}</span> <Said text={data.next_step} />
          </p>
          {data.has_pending && (
            <details className="mt-1 text-sm text-soft">
              <summary className="w-fit cursor-pointer rounded">Which ones</summary>
              <ul className="mt-1 list-inside list-disc font-mono">
                {data.pending_migrations.map(({ version, name }) => (
                  <li key={version}>
                    {version}_{name}
                  </li>
                ))}
              </ul>
            </details>
          )}
        </div>
      </div>
    </section>
  );
}

function title({ has_pending, pending_migrations, archon_v1_pending }: MigrationsState): string {
  const pending = pending_migrations.length;
  if (has_pending) return pending === 1 ? "One migration is pending." : `${pending} migrations are pending.`;
  if (archon_v1_pending > 0) return `${archon_v1_pending.toLocaleString("en")} rows of Archon v1 wait.`;
  return "The database is of another version.";
}
