import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { z } from "zod";
import { request, send } from "@/shared/api/client";
import { SESSION_KEY } from "@/shared/api/query";

const Session = z.object({ required: z.boolean(), authenticated: z.boolean() });

/** Whether the server wants a token, and whether this browser has shown it. */
export function useSession() {
  return useQuery({
    queryKey: SESSION_KEY,
    queryFn: ({ signal }) => request(Session, "/api/session", { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Exchanges the token for the cookie; the page itself keeps nothing of it. */
export function useSignIn() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (token: string) => send("/api/session", { method: "POST", json: { token } }),
    onSuccess: () => client.invalidateQueries(),
  });
}
