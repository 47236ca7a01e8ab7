import { Field } from "@/shared/ui/Field";

/** Which addresses a crawl follows, for those who want to say so. */
export function CrawlPatterns({
  includeError,
  excludeError,
}: {
  includeError: string | null;
  excludeError: string | null;
}) {
  return (
    <details
      className="rounded-xl bg-sunken px-4 py-2.5"
      open={includeError || excludeError ? true : undefined}
    >
      <summary className="font-medium">Which pages, and code examples</summary>
      <div className="mt-3 space-y-4 pb-2">
        <div className="grid gap-4 sm:grid-cols-2">
          <Patterns name="include" label="Follow only" placeholder="/docs/**" error={includeError} />
          <Patterns name="exclude" label="Leave out" placeholder="/docs/old/**" error={excludeError} />
        </div>
        <p className="text-sm text-soft">
          One pattern a line. <code>*</code> stands for anything up to the next slash, <code>**</code> for
          anything, <code>re:</code> begins a regular expression.
        </p>
        <label className="flex items-center gap-2.5">
          <input type="checkbox" name="code" defaultChecked /> Keep code examples, to be searched by
          themselves
        </label>
      </div>
    </details>
  );
}

function Patterns({
  name,
  label,
  placeholder,
  error,
}: {
  name: string;
  label: string;
  placeholder: string;
  error: string | null;
}) {
  return (
    <Field label={label} optional error={error}>
      {(ids) => (
        <textarea
          {...ids}
          name={name}
          rows={2}
          className="input font-mono text-sm"
          placeholder={placeholder}
          spellCheck={false}
        />
      )}
    </Field>
  );
}
