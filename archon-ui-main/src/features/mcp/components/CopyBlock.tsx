import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Button } from "@/shared/ui/Button";

interface CopyBlockProps {
  /** What the text is, for whoever cannot see it. */
  label: string;
  text: string;
}

/** Text to be taken away whole. */
export function CopyBlock({ label, text }: CopyBlockProps) {
  const [copied, setCopied] = useState<"no" | "yes" | "failed">("no");
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setCopied("yes"),
      () => setCopied("failed"),
    );
  return (
    <div className="overflow-hidden rounded-xl border border-line bg-sunken">
      <div className="flex items-center justify-between gap-3 border-b border-line px-3.5 py-1.5">
        <p className="min-w-0 text-sm text-soft">{label}</p>
        <Button small look="quiet" onClick={() => void copy()} aria-label={`Copy: ${label}`}>
          {copied === "yes" ? (
            <Check aria-hidden className="size-4 text-good" />
          ) : (
            <Copy aria-hidden className="size-4" />
          )}
          <span role="status">
            {copied === "yes" ? "Copied" : copied === "failed" ? "Select it yourself" : "Copy"}
          </span>
        </Button>
      </div>
      <pre className="whitespace-pre-wrap break-words px-3.5 py-3 font-mono text-[0.8125rem] leading-relaxed">
        {text}
      </pre>
    </div>
  );
}
