import { Notice } from "@/shared/ui/Notice";

/** What another embedding model means for what is stored. */
export function EmbeddingChange({ model }: { model: string | null | undefined }) {
  return (
    <Notice tone="warn" role="note" title="Stored passages belong to the embedding model that made them">
      <p>
        Your knowledge was embedded with{" "}
        {model ? <code className="font-mono text-sm">{model}</code> : "another model"}. Vectors of different
        models cannot be compared. After saving, everything is embedded anew in the background, and the former
        model answers until that is done, so leave its server running. The Knowledge page shows how far it is.
      </p>
    </Notice>
  );
}
