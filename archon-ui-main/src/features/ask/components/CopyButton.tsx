import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { IconButton } from "@/shared/ui/Button";
import { toast } from "@/shared/ui/toast";

const SHOWN_MS = 2_000;

/** Copies a text; the button says so for a moment. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await write(text);
      setCopied(true);
      setTimeout(() => setCopied(false), SHOWN_MS);
    } catch {
      toast("bad", "The browser did not let this page copy. Select the text and copy it by hand.");
    }
  };
  return (
    <>
      <IconButton label={label} onClick={() => void copy()} className="size-8">
        {copied ? (
          <Check aria-hidden className="size-4 text-good" />
        ) : (
          <Copy aria-hidden className="size-4" />
        )}
      </IconButton>
      <span role="status" className="sr-only">
        {copied && "Copied."}
      </span>
    </>
  );
}

/** Pages that were not loaded over https, or from this machine, have no clipboard: there the old way is left. */
async function write(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = document.createElement("textarea");
  box.value = text;
  box.style.position = "fixed";
  box.style.opacity = "0";
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  if (!done) throw new Error("copy was refused");
}
