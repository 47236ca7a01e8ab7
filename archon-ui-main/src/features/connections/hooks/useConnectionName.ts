import type { ErrorBody } from "@/shared/api/errors";
import { useConnections } from "../api/queries";

/** What the connection that gave an answer is called: one of Settings by the provider behind it, a deleted one by its id. */
export function useConnectionName(id: string | null, provider: string | null): string | null {
  const { data } = useConnections();
  if (id === null || !data) return null;
  const known = data.connections.find((one) => one.id === id);
  if (!known?.read_only) return known?.name ?? id;
  return data.providers.find((one) => one.id === provider)?.label ?? known.name;
}

/** What the connection that a failure names is called; null where it names none. */
export function useFailedConnection(error: ErrorBody | null): string | null {
  return useConnectionName(error?.connection ?? null, error?.provider ?? null);
}
