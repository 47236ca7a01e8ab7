import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { z } from "zod";
import { request, withQuery } from "@/shared/api/client";
import { ErrorBody } from "@/shared/api/errors";
import { work } from "./work";

const number = z.number().catch(0);
const text = z.string().nullish().catch(null);

const Outcome = z
  .object({
    pages_stored: number,
    pages_unchanged: number,
    pages_failed: number,
    pages_removed: number,
    pages_skipped: number,
    chunks_stored: number,
    chunks_without_context: number,
  })
  .catch({
    pages_stored: 0,
    pages_unchanged: 0,
    pages_failed: 0,
    pages_removed: 0,
    pages_skipped: 0,
    chunks_stored: 0,
    chunks_without_context: 0,
  });

export const Job = z.object({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  source_id: text,
  name: z.string().catch(""),
  message: text,
  progress: number,
  chunks_total: number,
  chunks_embedded: number,
  embeddings_reused: number,
  retries: number,
  can_pause: z.boolean().catch(false),
  can_resume: z.boolean().catch(false),
  can_cancel: z.boolean().catch(false),
  can_retry: z.boolean().catch(false),
  outcome: Outcome,
  remarks: z.array(z.string()).catch([]),
  detail: ErrorBody.nullish().catch(null),
  created_at: z.string().catch(""),
  finished_at: text,
});
export type Job = z.infer<typeof Job>;

const JobList = z.object({ jobs: z.array(Job), total: number });

const JobPages = z.object({
  pages: z.array(
    z.object({
      url: z.string(),
      state: z.string(),
      chunks: number,
      reason: z.object({ error: text, next_step: text }).nullish().catch(null),
    }),
  ),
  total: number,
  counts: z.record(z.string(), number).catch({}),
});
export type JobPages = z.infer<typeof JobPages>;

export const JOBS_KEY = ["jobs"] as const;
const PER_PAGE = 20;
const PAGES_AT_ONCE = 100;
const LOOK_MS = 4_000;

/** Jobs, newest first, a slice of them; asked again as long as one is open. */
export function useJobs(page: number) {
  return useQuery({
    queryKey: [...JOBS_KEY, page],
    queryFn: ({ signal }) =>
      request(JobList, withQuery("/api/jobs", { limit: PER_PAGE, offset: (page - 1) * PER_PAGE }), {
        signal,
      }),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.jobs.some((job) => job.can_cancel) ? LOOK_MS : false),
    select: (found) => ({ ...found, pages: Math.max(1, Math.ceil(found.total / PER_PAGE)) }),
  });
}

/** What became of a job's pages; of all states, or of one. */
export function useJobPages(jobId: string, state: string, wanted: boolean) {
  return useQuery({
    queryKey: [...JOBS_KEY, "pages", jobId, state],
    queryFn: ({ signal }) =>
      request(
        JobPages,
        withQuery(`/api/jobs/${encodeURIComponent(jobId)}/pages`, { limit: PAGES_AT_ONCE, state }),
        { signal },
      ),
    enabled: wanted,
    placeholderData: keepPreviousData,
  });
}

export type Verb = "pause" | "resume" | "cancel" | "retry";

/** Steers a job; one that is retried is followed like new work. */
export function useSteer() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, verb }: { id: string; verb: Verb }) =>
      request(Job, `/api/jobs/${encodeURIComponent(id)}/${verb}`, { method: "POST" }),
    onSuccess: async (job, { verb }) => {
      if (verb === "retry") {
        client.removeQueries({ queryKey: ["progress", job.id] });
        work.follow(job.id, job.name);
      }
      await client.invalidateQueries({ queryKey: JOBS_KEY });
    },
  });
}
