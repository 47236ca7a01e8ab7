import { type FormEvent, useRef, useState } from "react";
import { ApiError } from "@/shared/api/errors";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Field } from "@/shared/ui/Field";
import { usePreview } from "../api/preview";
import { type CrawlRequest, useCrawl } from "../api/sources";
import { crawlRequestOf, DEFAULT_PAGES } from "../crawlRequest";
import { CrawlPatterns } from "./CrawlPatterns";
import { CrawlPreview } from "./CrawlPreview";

const DEPTHS = [
  ["1", "This page only"],
  ["2", "And the pages it links to"],
  ["3", "Two links away"],
  ["5", "Four links away"],
] as const;
const NO_ADDRESS = "Type an address, like https://docs.example.org/guide/";
const AT_FIELDS = ["url", "max_pages", "include", "exclude"];

/** An address to read, how far to follow it, and what it would bring before it begins. */
export function CrawlForm({ onStarted }: { onStarted: (id: string) => void }) {
  const form = useRef<HTMLFormElement>(null);
  const crawl = useCrawl();
  const preview = usePreview();
  const [wrong, setWrong] = useState<string | null>(null);
  const failure = crawl.error ?? preview.error;
  const refused = failure instanceof ApiError ? failure.body : null;
  const at = (field: string) => (refused?.field === field ? refused.error : null);

  /** The form's request, or the reason at the address why there is none yet. */
  const asked = (): CrawlRequest | null => {
    const request = form.current && crawlRequestOf(form.current);
    setWrong(request ? null : NO_ADDRESS);
    return request;
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const request = asked();
    if (!request) return;
    preview.reset();
    crawl.mutate(request, {
      onSuccess: ({ progressId }) => {
        form.current?.reset();
        onStarted(progressId);
      },
    });
  };
  const look = (url?: string) => {
    const field = form.current?.elements.namedItem("url");
    if (url && field instanceof HTMLInputElement) field.value = url;
    const request = asked();
    crawl.reset();
    if (request) preview.mutate(request);
  };

  return (
    <form ref={form} noValidate onSubmit={submit} onChange={() => preview.reset()} className="space-y-4">
      <Field
        label="Address"
        error={at("url") ?? wrong}
        help="A documentation site, one page, a sitemap.xml, an llms.txt or llms-full.txt."
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
        <Field label="At most" error={at("max_pages")} aside="pages">
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
      <CrawlPatterns includeError={at("include")} excludeError={at("exclude")} />
      {failure && !AT_FIELDS.includes(refused?.field ?? "") && (
        <ErrorNote
          error={failure}
          title={crawl.error ? "The crawl did not start." : "The address could not be looked at."}
        />
      )}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="primary" busy={crawl.isPending}>
          Read this address
        </Button>
        <Button onClick={() => look()} busy={preview.isPending}>
          Look first
        </Button>
      </div>
      <div aria-live="polite">{preview.data && <CrawlPreview seen={preview.data} onUse={look} />}</div>
    </form>
  );
}
