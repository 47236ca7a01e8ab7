import { useSettings } from "@/shared/api/settings";
import { useProviderStatus, useProviders } from "../api/queries";
import { SERVICES, type Service } from "../services";

export interface ServiceHealth {
  service: Service;
  provider: string | null;
  model: string | null;
  state: "well" | "ill" | "asking" | "unset";
  /** Why it is not well. */
  reason: string | null;
}

/** Whether the model servers in use answer; null until the settings are known. */
export function useServiceHealth(): ServiceHealth[] | null {
  const { data: settings } = useSettings();
  const { data: providers } = useProviders();
  const statuses = {
    llm: useProviderStatus(settings?.services.llm.provider ?? null, "llm"),
    embedding: useProviderStatus(settings?.services.embedding.provider ?? null, "embedding"),
    rerank: useProviderStatus(settings?.services.rerank.provider ?? null, "rerank"),
  };
  if (!settings) return null;
  const used = SERVICES.filter(({ id, optional }) => !optional || settings.services[id].provider);
  return used.map((service) => {
    const { provider: id, model, problem } = settings.services[service.id];
    const status = statuses[service.id];
    const provider = providers?.find((one) => one.id === id)?.label ?? id;
    const health = { service, provider, model: model ?? null };
    const isChosen = id && settings.first_run.provider_chosen;
    if (!isChosen && !status.data?.ok) return { ...health, state: "unset", reason: "No provider is chosen." };
    if (problem) return { ...health, state: "ill", reason: problem.error };
    if (status.data?.ok) return { ...health, state: "well", reason: null };
    if (!status.data && !status.error) return { ...health, state: "asking", reason: null };
    return {
      ...health,
      state: "ill",
      reason: status.data?.reason ?? status.error?.message ?? "It does not answer.",
    };
  });
}
