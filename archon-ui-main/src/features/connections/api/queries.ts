import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request, send, withQuery } from "@/shared/api/client";
import { CheckResult, Connection, ConnectionList, Detected, Imported, ModelList } from "./schemas";

const BASE = "/api/connections";
const KEY = ["connections"] as const;
const STATE_EVERY_MS = 60_000;

export type Values = Record<string, string | number | boolean | null>;

const path = (id: string) => `${BASE}/${encodeURIComponent(id)}`;

/** All connections, and what the form of one is drawn from. */
export function useConnections() {
  return useQuery({
    queryKey: [...KEY, "list"],
    queryFn: ({ signal }) => request(ConnectionList, BASE, { signal }),
  });
}

/** The models that a connection's server offers at this moment, which is also whether it answers; `again` and again. */
export function useConnectionModels(id: string | null, wanted = true, again = false) {
  return useQuery({
    queryKey: [...KEY, "models", id],
    queryFn: async ({ signal }) => (await request(ModelList, `${path(id ?? "")}/models`, { signal })).models,
    enabled: wanted && id !== null,
    refetchInterval: again && STATE_EVERY_MS,
  });
}

/** The models of a connection that is not saved; `id` is the stored one that it changes. */
export function useDraftModels(id: string | null, values: Values, wanted: boolean) {
  return useQuery({
    queryKey: [...KEY, "draft-models", id, values],
    queryFn: async ({ signal }) =>
      (await request(ModelList, `${BASE}/models`, { method: "POST", json: { id, values }, signal })).models,
    enabled: wanted,
  });
}

/** Really asks the server. A failed check is an answer (`ok: false`), not an error. */
export function useCheckConnection() {
  return useMutation({
    mutationFn: (id: string) => request(CheckResult, `${path(id)}/check`, { method: "POST" }),
  });
}

export function useCheckDraft() {
  return useMutation({
    mutationFn: (json: { id: string | null; values: Values }) =>
      request(CheckResult, `${BASE}/check`, { method: "POST", json }),
  });
}

export function useDetect() {
  return useMutation({
    mutationFn: (json: { base_url: string; api_key: string | null }) =>
      request(Detected, `${BASE}/detect`, { method: "POST", json }),
  });
}

function useForgetting() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: KEY });
}

/** Stores a new connection (`id` null), or changes one. */
export function useSaveConnection() {
  const forget = useForgetting();
  return useMutation({
    mutationFn: ({ id, values }: { id: string | null; values: Values }) =>
      request(Connection, id === null ? BASE : path(id), {
        method: id === null ? "POST" : "PUT",
        json: values,
      }),
    onSuccess: forget,
  });
}

export function useDeleteConnection() {
  const forget = useForgetting();
  return useMutation({
    mutationFn: (id: string) => send(path(id), { method: "DELETE" }),
    onSuccess: forget,
  });
}

export function useMakeDefault() {
  const forget = useForgetting();
  return useMutation({
    mutationFn: (id: string) => request(Connection, `${path(id)}/default`, { method: "PUT" }),
    onSuccess: forget,
  });
}

export function useImport() {
  const forget = useForgetting();
  return useMutation({
    mutationFn: async ({ file, keep }: { file: File; keep: boolean }) =>
      request(Imported, withQuery(`${BASE}/import`, { existing: keep ? "keep" : "replace" }), {
        method: "POST",
        // As it stands: the server says by line and field what is wrong with it.
        content: file,
      }),
    onSuccess: forget,
  });
}

/** The stored connections as the text of a file. */
export async function exported(withKeys: boolean): Promise<string> {
  const json = { include_secrets: withKeys };
  return (await send(`${BASE}/export`, { method: "POST", json })).text();
}
