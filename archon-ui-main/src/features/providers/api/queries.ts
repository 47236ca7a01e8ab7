import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request } from "@/shared/api/client";
import { SETTINGS_KEY, type ServiceId, Settings } from "@/shared/api/settings";
import { CheckResult, ModelList, ProviderList, ProviderStatus } from "./schemas";

const HEALTH_EVERY_MS = 60_000;

/** What every provider declares; the forms are drawn from it. */
export function useProviders() {
  return useQuery({
    queryKey: ["providers"],
    queryFn: async ({ signal }) => (await request(ProviderList, "/api/providers", { signal })).providers,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Whether a provider's server answers right now. */
export function useProviderStatus(id: string | null, service: ServiceId) {
  return useQuery({
    queryKey: ["provider-status", id, service],
    queryFn: ({ signal }) =>
      request(ProviderStatus, `/api/providers/${encodeURIComponent(id ?? "")}/status?service=${service}`, {
        signal,
      }),
    enabled: id !== null,
    refetchInterval: HEALTH_EVERY_MS,
  });
}

export interface Asked {
  provider: string;
  service: ServiceId;
  /** Unsaved form values over the stored ones; null: as if nothing were stored. */
  values: Record<string, string | null>;
}

/** The models a server offers, asked with unsaved form values; only when `wanted`. */
export function useServedModels(asked: Asked, wanted: boolean) {
  return useQuery({
    queryKey: ["served-models", asked],
    queryFn: async ({ signal }) => {
      const path = `/api/providers/${encodeURIComponent(asked.provider)}/models`;
      const json = { service: asked.service, values: asked.values };
      return (await request(ModelList, path, { method: "POST", json, signal })).models;
    },
    enabled: wanted,
  });
}

/** Really asks the model server. A failed check is an answer (`ok: false`), not an error. */
export function useCheck() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ provider, service, values, signal }: Asked & { signal?: AbortSignal }) =>
      request(CheckResult, `/api/providers/${encodeURIComponent(provider)}/check`, {
        method: "POST",
        json: { service, values },
        signal,
      }),
    onSuccess: (_, { provider }) => client.invalidateQueries({ queryKey: ["provider-status", provider] }),
  });
}

/** Saves all values or none; null removes what is stored. */
export function useSaveSettings() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (values: Record<string, string | null>) =>
      request(Settings, "/api/settings", { method: "PUT", json: { values } }),
    onSuccess: async (settings) => {
      client.setQueryData(SETTINGS_KEY, settings);
      await client.invalidateQueries({ queryKey: ["provider-status"] });
    },
  });
}
