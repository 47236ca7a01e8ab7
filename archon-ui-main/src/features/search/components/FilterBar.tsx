import { X } from "lucide-react";
import { useAllSources } from "@/features/knowledge";
import { shortUrl } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import type { Filters } from "../api/schemas";
import { useFilters } from "../api/search";
import { type Asked, isFiltered } from "../asked";
import { FilterMenu, type Option } from "./FilterMenu";

interface FilterBarProps {
  asked: Asked;
  onChange: (changes: Partial<Asked>) => void;
}

const languages = new Intl.DisplayNames(undefined, { type: "language", fallback: "code" });

/** Where to look: filters that have nothing to offer are not shown. */
export function FilterBar({ asked, onChange }: FilterBarProps) {
  const { data: sources } = useAllSources();
  const { data: filters } = useFilters();
  const code = asked.view === "code";
  const titled = (sources ?? []).map(({ source_id, title, url }) => ({
    value: source_id,
    label: title || shortUrl(url) || source_id,
  }));
  return (
    <fieldset className="flex flex-wrap items-center gap-2">
      <legend className="sr-only">Filters</legend>
      <Menu label="Sources" options={titled} name="sources" {...{ asked, onChange }} />
      <Menu label="Tags" options={options(filters?.tags)} name="tags" {...{ asked, onChange }} />
      {!code && (
        <Menu
          label="Type"
          options={options(filters?.knowledge_types)}
          name="types"
          {...{ asked, onChange }}
        />
      )}
      {!code && (
        <Menu
          label="Language"
          options={options(filters?.languages, languageName)}
          name="languages"
          {...{ asked, onChange }}
        />
      )}
      {isFiltered(asked) && (
        <Button
          small
          look="quiet"
          onClick={() => onChange({ sources: [], tags: [], types: [], languages: [] })}
        >
          <X aria-hidden className="size-4" /> Clear filters
        </Button>
      )}
    </fieldset>
  );
}

interface MenuProps extends FilterBarProps {
  label: string;
  name: "sources" | "tags" | "types" | "languages";
  options: readonly Option[];
}

function Menu({ label, name, options: all, asked, onChange }: MenuProps) {
  if (all.length < 2 && asked[name].length === 0) return null;
  return (
    <FilterMenu
      label={label}
      options={all}
      chosen={asked[name]}
      onChoose={(values) => onChange({ [name]: values })}
    />
  );
}

function options(values: Filters["tags"] | undefined, named = (value: string) => value): Option[] {
  return (values ?? []).map(({ value, sources }) => ({ value, label: named(value), note: String(sources) }));
}

function languageName(code: string): string {
  try {
    return languages.of(code) ?? code;
  } catch {
    return code; // What a page claims as its language need not be one.
  }
}
