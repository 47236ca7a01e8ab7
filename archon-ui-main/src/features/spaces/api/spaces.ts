import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { z } from "zod";
import { request } from "@/shared/api/client";
import { ErrorBody } from "@/shared/api/errors";

const number = z.number().catch(0);
const text = z.string().nullish().catch(null);

const Space = z.object({
  id: z.number(),
  model: z.string(),
  dimensions: number,
  state: z.string(),
  vectors: number,
});

const Job = z.object({
  id: z.string(),
  state: z.string(),
  message: text,
  progress: number,
  chunks_total: number,
  chunks_embedded: number,
});
export type SpaceJob = z.infer<typeof Job>;

const Spaces = z.object({
  spaces: z.array(Space),
  chosen: z.object({ model: text, problem: ErrorBody.nullish().catch(null) }),
  job: Job.nullish().catch(null),
});
export type Spaces = z.infer<typeof Spaces>;

const Details = z.object({ details: z.object({ estimatedTimeRemaining: z.number().nullish().catch(null) }) });

const SPACES_KEY = ["embedding-spaces"] as const;
const RUNNING_MS = 2_000;
const RESTING_MS = 30_000;

/** The embedding model that answers, the one in Settings, and the work between them. */
export function useSpaces() {
  return useQuery({
    queryKey: SPACES_KEY,
    queryFn: ({ signal }) => request(Spaces, "/api/embedding-spaces", { signal }),
    refetchInterval: ({ state }) => (state.data?.job ? RUNNING_MS : RESTING_MS),
  });
}

/** Seconds that are left of a job; null while nobody knows. */
export function useTimeLeft(jobId: string) {
  return useQuery({
    queryKey: [...SPACES_KEY, "left", jobId],
    queryFn: async ({ signal }) =>
      (await request(Details, `/api/progress/${encodeURIComponent(jobId)}`, { signal })).details
        .estimatedTimeRemaining ?? null,
    refetchInterval: RUNNING_MS,
  });
}

/** Pauses, resumes or stops the change, or begins it. */
export function useSpaceAction() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (path: string) => request(z.unknown(), path, { method: "POST" }),
    onSettled: () => client.invalidateQueries({ queryKey: SPACES_KEY }),
  });
}
