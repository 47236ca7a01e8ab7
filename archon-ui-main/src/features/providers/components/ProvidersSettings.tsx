import { useSettings } from "@/shared/api/settings";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useProviders } from "../api/queries";
import { ProvidersForm } from "./ProvidersForm";

/** Choosing, checking and saving who serves chat and embeddings. */
export function ProvidersSettings() {
  const settings = useSettings();
  const providers = useProviders();
  const failed = settings.error ?? providers.error;
  if (failed && !(settings.data && providers.data)) {
    const retry = () => {
      void settings.refetch();
      void providers.refetch();
    };
    return <ErrorNote error={failed} title="The settings could not be read." onRetry={retry} />;
  }
  if (!settings.data || !providers.data) {
    return <Skeleton rows={2} shape="h-72 rounded-2xl" label="Loading settings" />;
  }
  return <ProvidersForm settings={settings.data} providers={providers.data} />;
}
