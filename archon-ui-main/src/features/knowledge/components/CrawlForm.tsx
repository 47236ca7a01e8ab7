import { type FormEvent, useState } from "react";
import { ApiError } from "@/shared/api/errors";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Field } from "@/shared/ui/Field";
import { useCrawl } from "../api/sources";
import { tagsOf } from "../tags";

const DEPTHS = [
  ["1", "This page only"],
  ["2", "And the pages it links to"],
  ["3", "Two links away"],
  ["5", "Four links away"],
] as const;
const DEFAULT_PAGES = 200;

/** An address to read, and how far to follow it. */
export function CrawlForm({ onStarted }: { onStarted?: () => void }) {
  const crawl = useCrawl();
  const [wrong, setWrong] = useState<string | null>(null);
  const refused = crawl.error instanceof ApiError ? crawl.error.body : null;
  const atUrl = refused?.field === "url" ? refused.error : wrong;
  const atPages = refused?.field === "max_pages" ? refused.error : null;

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const values = new FormData(form);
    const url = addressOf(String(values.get("url")));
    setWrong(url ? null : "Type an address, like https://docs.example.org/guide/");
    if (!url) return;
    const request = {
      url,
      max_depth: Number(values.get("depth")),
      max_pages: Number(values.get("pages")) || DEFAULT_PAGES,
      tags: tagsOf(String(values.get("tags"))),
    };
    crawl.mutate(request, {
      onSuccess: () => {
        form.reset();
        onStarted?.();
      },
    });
  };

  return (
    <form noValidate onSubmit={submit} className="space-y-4">
      <Field
        label="Address"
        error={atUrl}
        help="A documentation site, one page, a sitemap.xml or an llms.txt."
      >
        {(ids) => (
          <input
            {...ids}
            name="url"
            type="url"
            inputMode="url"
            className="input"
            placeholder="https://docs.example.org/"
            autoComplete="off"
            spellCheck={false}
          />
        )}
      </Field>
      <div className="grid gap-4 sm:grid-cols-[1fr_9rem]">
        <Field label="How far">
          {(ids) => (
            <select {...ids} name="depth" className="input" defaultValue="3">
              {DEPTHS.map(([depth, words]) => (
                <option key={depth} value={depth}>
                  {words}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="At most" error={atPages} aside="pages">
          {(ids) => (
            <input
              {...ids}
              name="pages"
              type="number"
              min={1}
              className="input"
              defaultValue={DEFAULT_PAGES}
            />
          )}
        </Field>
      </div>
      <Field label="Tags" optional help="Separated by commas.">
        {(ids) => (
          <input {...ids} name="tags" className="input" placeholder="python, reference" autoComplete="off" />
        )}
      </Field>
      {crawl.error && !atUrl && !atPages && (
        <ErrorNote error={crawl.error} title="The crawl did not start." />
      )}
      <Button type="submit" look="primary" busy={crawl.isPending}>
        Read this address
      </Button>
    </form>
  );
}

/** What was typed as an address that can be fetched; null when it cannot be one. */
function addressOf(typed: string): string | null {
  const text = typed.trim();
  const url = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  return text !== "" && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) ? url : null;
}
