import { CalendarClock } from "lucide-react";
import { dateTime } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { useReschedule, useSchedule } from "../api/schedule";

const CHOICES: readonly { hours: number | null; label: string }[] = [
  { hours: null, label: "Only when I ask" },
  { hours: 1, label: "Every hour" },
  { hours: 6, label: "Every 6 hours" },
  { hours: 24, label: "Every day" },
  { hours: 24 * 7, label: "Every week" },
  { hours: 24 * 30, label: "Every 30 days" },
];

/** How often a source is read anew by itself, and when next. */
export function ScheduleControl({ sourceId }: { sourceId: string }) {
  const { data: schedule, error } = useSchedule(sourceId);
  const change = useReschedule(sourceId);
  if (error) return <ErrorNote error={error} title="The schedule could not be read." className="mb-5" />;
  if (!schedule) return null;
  const known = CHOICES.some(({ hours }) => hours === schedule.every_hours);
  return (
    <div className="mb-6">
      <label className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <span className="inline-flex items-center gap-2 text-soft">
          <CalendarClock aria-hidden className="size-4" /> Read anew
        </span>
        <select
          className="input min-h-9! w-auto! py-1! text-sm"
          value={schedule.every_hours ?? ""}
          disabled={change.isPending}
          onChange={(event) => change.mutate(event.target.value ? Number(event.target.value) : null)}
        >
          {CHOICES.map(({ hours, label }) => (
            <option key={label} value={hours ?? ""}>
              {label}
            </option>
          ))}
          {!known && <option value={schedule.every_hours ?? ""}>Every {schedule.every_hours} hours</option>}
        </select>
        {schedule.next_refresh_at && (
          <span className="text-sm text-soft">next on {dateTime(schedule.next_refresh_at)}</span>
        )}
      </label>
      {change.error && (
        <ErrorNote error={change.error} title="The schedule was not changed." className="mt-3" />
      )}
    </div>
  );
}
