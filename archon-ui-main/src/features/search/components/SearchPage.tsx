import { TextSearch } from "lucide-react";
import { useEffect, useRef } from "react";
import { classes } from "@/shared/lib/classes";
import { EmptyState } from "@/shared/ui/EmptyState";
import { Page } from "@/shared/ui/Page";
import { MOST, useAsked, VIEWS, type View } from "../asked";
import { useSlash, walkResults } from "../keys";
import { FilterBar } from "./FilterBar";
import { Results } from "./Results";
import { SearchBox } from "./SearchBox";

const LABELS: Record<View, string> = { passages: "Passages", pages: "Pages", code: "Code" };
const MORE = 20;

/** Search without a model that writes: passages, pages or code, with the reason for each place. */
export function SearchPage() {
  const [asked, change] = useAsked();
  const box = useRef<HTMLInputElement>(null);
  useSlash(box);
  useEffect(() => box.current?.focus({ preventScroll: true }), []);
  return (
    <Page title="Search" lead="Find passages, pages and code in what is stored, by meaning and by words.">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys walk between elements that have the focus. */}
      <div className="space-y-4" onKeyDown={(event) => walkResults(event, box.current)}>
        <search>
          <SearchBox query={asked.query} box={box} onSearch={(query) => change({ query })} />
        </search>
        <div className="flex flex-wrap items-center justify-between gap-3">
          <Views view={asked.view} onChange={(view) => change({ view })} />
          <FilterBar asked={asked} onChange={change} />
        </div>
        <p className="hidden text-[0.8125rem] text-soft sm:block">
          <kbd>/</kbd> goes to the box, <kbd>↓</kbd> and <kbd>↑</kbd> walk through the results,{" "}
          <kbd>Enter</kbd> opens one
        </p>
        <section aria-label={LABELS[asked.view]}>
          {asked.query === "" ? (
            <EmptyState Icon={TextSearch} title="What are you looking for?">
              <p>A name, a few words, or a whole question. Rare words count most; meaning finds the rest.</p>
            </EmptyState>
          ) : (
            <Results asked={asked} onMore={() => change({ count: Math.min(asked.count + MORE, MOST) })} />
          )}
        </section>
      </div>
    </Page>
  );
}

function Views({ view, onChange }: { view: View; onChange: (view: View) => void }) {
  return (
    <fieldset className="flex gap-1 rounded-xl bg-sunken p-1">
      <legend className="sr-only">Results as</legend>
      {VIEWS.map((one) => (
        <label
          key={one}
          className={classes(
            "flex min-h-9 items-center rounded-lg px-3.5 font-medium has-focus-visible:outline-2 has-focus-visible:outline-accent",
            one === view ? "bg-surface text-ink shadow-lift" : "text-soft hover:text-ink",
          )}
        >
          <input
            type="radio"
            name="view"
            className="sr-only"
            checked={one === view}
            onChange={() => onChange(one)}
          />
          {LABELS[one]}
        </label>
      ))}
    </fieldset>
  );
}
