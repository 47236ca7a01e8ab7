import { RAGSettings } from "@/components/settings/RAGSettings";
import { Page } from "@/shared/ui/Page";

export function SettingsPage() {
  return (
    <Page
      title="Settings"
      lead="Who writes the answers, and who turns text into vectors. They may be different servers."
    >
      <RAGSettings />
    </Page>
  );
}
