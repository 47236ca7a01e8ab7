import { count } from "@/shared/lib/format";
import type { StatusOfAll } from "../api/status";
import { Facts } from "./Facts";
import { Section } from "./Section";

const TABLES: Record<string, string> = {
  sources: "Sources",
  pages: "Pages",
  chunks: "Passages",
  code_examples: "Code examples",
  conversations: "Conversations",
};

/** Where all of it is, how large it is, and whether indexes are still to come. */
export function StoreCard({ store }: Pick<StatusOfAll, "store">) {
  // An estimate of Postgres; before its first look at a table that is 0, whatever there is.
  const rows = Object.entries(TABLES).map(([table, name]) => {
    const estimate = store.rows[table] ?? 0;
    return [name, estimate > 0 ? `about ${count(estimate)}` : null] as const;
  });
  return (
    <Section
      id="store"
      title="Store"
      beside={<span className="text-sm text-soft">{`${store.kind} · ${store.location}`}</span>}
    >
      <Facts
        facts={[
          ["Postgres", store.postgres],
          ["pgvector", store.pgvector],
          ["Size", store.bytes === null ? null : `${count(Math.round(store.bytes / 1e6))} MB`],
          ...rows,
        ]}
      />
      {store.indexes_waiting > 0 && (
        <p className="text-[0.9375rem]">
          {`${count(store.indexes_waiting)} indexes are still being built; searches are exact and slower until then.`}
        </p>
      )}
    </Section>
  );
}
