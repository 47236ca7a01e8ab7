import { Search } from "lucide-react";
import { SORTS, type Sort, type SourceView } from "../api/source";

interface SourceControlsProps {
  view: SourceView;
  onChange: (changes: Partial<SourceView>) => void;
  tags: readonly string[];
  types: readonly string[];
}

const SELECT = "input min-h-9! w-auto! py-1! text-sm";

/** Finding a source among many: by text, type, tag and trouble, in a chosen order. */
export function SourceControls({ view, onChange, tags, types }: SourceControlsProps) {
  return (
    <search aria-label="Sources" className="mb-4 flex flex-wrap items-center gap-2">
      <div className="relative w-full sm:w-64">
        <Search aria-hidden className="absolute left-3 top-1/2 size-4 -translate-y-1/2 text-soft" />
        <input
          type="search"
          aria-label="Search sources"
          placeholder="Search sources"
          className="input min-h-9! py-1! pl-9"
          value={view.search}
          onChange={(event) => onChange({ search: event.target.value })}
        />
      </div>
      <Choice
        label="Type"
        every="All types"
        value={view.type}
        values={types}
        onChange={(type) => onChange({ type })}
      />
      <Choice
        label="Tag"
        every="All tags"
        value={view.tag}
        values={tags}
        onChange={(tag) => onChange({ tag })}
      />
      <label className="flex items-center gap-2 px-1 text-sm">
        <input
          type="checkbox"
          className="size-4 accent-accent"
          checked={view.problems}
          onChange={(event) => onChange({ problems: event.target.checked })}
        />
        With problems
      </label>
      <select
        aria-label="Order"
        className={`${SELECT} sm:ml-auto`}
        value={view.sort}
        onChange={(event) => onChange({ sort: event.target.value as Sort })}
      >
        {Object.entries(SORTS).map(([sort, label]) => (
          <option key={sort} value={sort}>
            {label}
          </option>
        ))}
      </select>
    </search>
  );
}

interface ChoiceProps {
  label: string;
  /** What stands for no choice. */
  every: string;
  value: string;
  values: readonly string[];
  onChange: (value: string) => void;
}

function Choice({ label, every, value, values, onChange }: ChoiceProps) {
  const all = values.includes(value) || value === "" ? values : [value, ...values];
  if (all.length === 0) return null;
  return (
    <select
      aria-label={label}
      className={SELECT}
      value={value}
      onChange={(event) => onChange(event.target.value)}
    >
      <option value="">{every}</option>
      {all.map((one) => (
        <option key={one}>{one}</option>
      ))}
    </select>
  );
}
