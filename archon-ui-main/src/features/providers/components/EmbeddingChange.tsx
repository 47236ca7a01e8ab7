import { Notice } from "@/shared/ui/Notice";

/** What another embedding model means for what is stored. */
export function EmbeddingChange({ model }: { model: string | null | undefined }) {
  return (
    <Notice tone="warn" role="note" title="Stored passages belong to the embedding model that made them">
      <p>
        Your knowledge was embedded with{" "}
        {model ? <code className="font-mono text-sm">{model}</code> : "another model"}. Vectors of different
        models cannot be compared: after saving, passages are found again once they are embedded with the new
        model. Refreshing a source does that. Until then search says so; nothing is deleted.
      </p>
    </Notice>
  );
}
