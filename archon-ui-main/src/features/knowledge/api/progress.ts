import { useQuery } from "@tanstack/react-query";
import { request, send } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";
import { SETTINGS_KEY } from "@/shared/api/settings";
import { readEvents } from "@/shared/api/sse";
import { Progress, RunningList } from "./schemas";
import { SOURCES_KEY } from "./sources";
import { work } from "./work";

const FINAL = new Set(["completed", "failed", "error", "cancelled"]);
const POLL_MS = 1_500;
const RUNNING_EVERY_MS = 5_000;

export function isFinal(progress: Progress): boolean {
  return FINAL.has(progress.status);
}

/** Work the server is doing, whoever started it; what is found joins the list that is shown. */
export function useRunningWork() {
  return useQuery({
    queryKey: ["running-work"],
    queryFn: async ({ signal }) => {
      const { operations } = await request(RunningList, "/api/progress/", { signal });
      for (const { operation_id, operation_type, url, title, message } of operations)
        if (operation_type !== "reembed") work.add(operation_id, url || title || message || "Work");
      return operations.length;
    },
    refetchInterval: RUNNING_EVERY_MS,
  });
}

/** The state of one piece of work, live until it is final. */
export function useProgress(id: string) {
  return useQuery({
    queryKey: ["progress", id],
    queryFn: async ({ signal, client, queryKey }) => {
      let last: Progress | null = null;
      for await (const progress of watch(id, signal)) {
        last = progress;
        client.setQueryData(queryKey, progress);
      }
      void client.invalidateQueries({ queryKey: SOURCES_KEY });
      void client.invalidateQueries({ queryKey: SETTINGS_KEY });
      return last;
    },
    staleTime: ({ state }) => (state.data && isFinal(state.data) ? Number.POSITIVE_INFINITY : 0),
    refetchOnWindowFocus: false,
  });
}

/** States until the final one: pushed by the server, asked for one by one where pushing does not get through. */
async function* watch(id: string, signal: AbortSignal): AsyncGenerator<Progress, void, void> {
  const path = `/api/progress/${encodeURIComponent(id)}`;
  try {
    for await (const progress of pushed(path, signal)) {
      yield progress;
      if (isFinal(progress)) return;
    }
  } catch (error) {
    const gone = error instanceof ApiError && (error.httpStatus === 404 || error.needsToken);
    if (signal.aborted || gone) throw error;
  }
  for (;;) {
    const progress = await request(Progress, path, { signal });
    yield progress;
    if (isFinal(progress)) return;
    await pause(POLL_MS, signal);
  }
}

async function* pushed(path: string, signal: AbortSignal): AsyncGenerator<Progress, void, void> {
  const response = await send(`${path}/events`, { signal, accept: "text/event-stream" });
  if (!response.body) return;
  for await (const event of readEvents(response.body)) {
    if (event.name === "progress") yield Progress.parse(JSON.parse(event.data));
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
