import { Check, Copy, Download } from "lucide-react";
import { useState } from "react";
import { classes } from "@/shared/lib/classes";
import { saveFile } from "@/shared/lib/saveFile";
import { Button } from "@/shared/ui/Button";
import { type DiffLine, diffLines, patchName } from "../diff";

const LOOKS: Record<DiffLine["kind"], string> = {
  head: "text-soft",
  place: "bg-sunken text-accent",
  added: "bg-good-wash",
  removed: "bg-bad-wash",
  same: "",
  note: "italic text-soft",
};
const SAID: Partial<Record<DiffLine["kind"], string>> = { added: "Added: ", removed: "Removed: " };

interface DiffViewProps {
  diff: string;
  path: string;
  /** The new text of the chosen lines. */
  text: string;
}

/** A change as a diff, to be copied or taken along for `git apply`. */
export function DiffView({ diff, path, text }: DiffViewProps) {
  return (
    <section aria-label="The change" className="space-y-3">
      <section aria-label="Diff" className="overflow-x-auto rounded-xl border border-line">
        <pre className="w-max min-w-full py-2 font-mono text-[0.8125rem] leading-relaxed">
          {diffLines(diff).map((line) => (
            <div key={line.number} className={classes("px-4", LOOKS[line.kind])}>
              {SAID[line.kind] && <span className="sr-only">{SAID[line.kind]}</span>}
              {line.text || " "}
            </div>
          ))}
        </pre>
      </section>
      <div className="flex flex-wrap gap-2">
        <CopyButton text={diff} label="Copy the diff" />
        <CopyButton text={text} label="Copy the new code" />
        <Button onClick={() => saveFile(patchName(path), diff, "text/x-diff")}>
          <Download aria-hidden className="size-4" /> Download the patch
        </Button>
      </div>
    </section>
  );
}

function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState<string | null>(null);
  const done = copied === text;
  return (
    <Button onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(text))}>
      {done ? <Check aria-hidden className="size-4 text-good" /> : <Copy aria-hidden className="size-4" />}
      {done ? "Copied" : label}
    </Button>
  );
}
