import { useQuery } from "@tanstack/react-query";
import { request } from "@/shared/api/client";
import { GatewayStatus, InferenceHealth } from "./schemas";

const LIVE_MS = 2_000;
const ABSENT_MS = 5_000;
const CHAIN_MS = 15_000;

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
    queryKey: ["inference-health"],
    queryFn: ({ signal }) => request(InferenceHealth, "/v1/health/inference", { signal }),
    refetchInterval: CHAIN_MS,
  });
}
