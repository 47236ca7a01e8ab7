import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { z } from "zod";
import { request } from "@/shared/api/client";
import { SOURCES_KEY } from "./sources";

const Schedule = z.object({
  every_hours: z.number().nullable().catch(null),
  next_refresh_at: z.string().nullish().catch(null),
});

function path(sourceId: string): string {
  return `/api/knowledge-items/${encodeURIComponent(sourceId)}/schedule`;
}

export function useSchedule(sourceId: string) {
  return useQuery({
    queryKey: ["schedule", sourceId],
    queryFn: ({ signal }) => request(Schedule, path(sourceId), { signal }),
  });
}

export function useReschedule(sourceId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (every_hours: number | null) =>
      request(Schedule, path(sourceId), { method: "PUT", json: { every_hours } }),
    onSuccess: async (schedule) => {
      client.setQueryData(["schedule", sourceId], schedule);
      await client.invalidateQueries({ queryKey: SOURCES_KEY });
    },
  });
}
