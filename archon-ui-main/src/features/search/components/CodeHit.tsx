import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { shortUrl } from "@/shared/lib/format";
import { IconButton } from "@/shared/ui/Button";
import type { CodeExample } from "../api/schemas";
import { Marked } from "./Marked";

/** A found code example, exactly as it is stored. */
export function CodeHit({ hit, words }: { hit: CodeExample; words: readonly string[] }) {
  const title = hit.example_name || hit.title || shortUrl(hit.url) || "Code";
  return (
    <li className="card p-4 sm:px-5">
      <div className="flex items-start justify-between gap-3">
        <div className="min-w-0">
          <h3 className="text-[1.0625rem] font-semibold leading-snug">
            {hit.page_id ? (
              <Link
                to={`/pages/${encodeURIComponent(hit.page_id)}`}
                data-hit
                className="rounded hover:underline"
              >
                {title}
              </Link>
            ) : (
              title
            )}
          </h3>
          <p className="truncate text-sm text-soft">
            {[hit.language, shortUrl(hit.url)].filter(Boolean).join(", ")}
          </p>
        </div>
        <CopyButton text={hit.code} title={title} />
      </div>
      {hit.summary && <p className="mt-2">{hit.summary}</p>}
      <pre className="mt-2 max-h-96 overflow-auto rounded-xl border border-line bg-sunken p-3 font-mono text-[0.8438rem] leading-relaxed">
        <code>
          <Marked text={hit.code} words={words} />
        </code>
      </pre>
    </li>
  );
}

function CopyButton({ text, title }: { text: string; title: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <IconButton label={copied ? "Copied" : `Copy the code of ${title}`} onClick={copy}>
      {copied ? <Check aria-hidden className="size-4" /> : <Copy aria-hidden className="size-4" />}
    </IconButton>
  );
}
