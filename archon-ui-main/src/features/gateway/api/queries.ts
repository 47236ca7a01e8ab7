import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request } from "@/shared/api/client";
import { SETTINGS_KEY, Settings } from "@/shared/api/settings";
import { GatewayStatus, InferenceHealth } from "./schemas";

const LIVE_MS = 2_000;
const ABSENT_MS = 5_000;
const CHAIN_MS = 15_000;
const CHAIN_KEY = ["inference-health"] as const;

/** The gateway as it is now; asked again every two seconds while somebody looks. */
export function useGatewayStatus() {
  return useQuery({
    queryKey: ["gateway-status"],
    queryFn: ({ signal }) => request(GatewayStatus, "/api/gateway/status", { signal }),
    refetchInterval: ({ state }) => (state.data?.status ? LIVE_MS : ABSENT_MS),
  });
}

/** The provider that answers, and those that stand behind it. */
export function useInferenceHealth() {
  return useQuery({
    queryKey: CHAIN_KEY,
    queryFn: ({ signal }) => request(InferenceHealth, "/v1/health/inference", { signal }),
    refetchInterval: CHAIN_MS,
  });
}

/** Saves who is asked when the chosen provider cannot answer; null removes what is stored. */
export function useSaveChain() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (values: Record<string, string | null>) =>
      request(Settings, "/api/settings", { method: "PUT", json: { values } }),
    onSuccess: async (settings) => {
      client.setQueryData(SETTINGS_KEY, settings);
      await client.invalidateQueries({ queryKey: CHAIN_KEY });
    },
  });
}
