import { ProvidersSettings } from "@/features/providers";

/** The public seam of the settings page: who serves chat and embeddings. */
export function RAGSettings() {
  return <ProvidersSettings />;
}
