import { CircleAlert, CircleCheck, CircleDashed } from "lucide-react";
import { bodyOf } from "@/shared/api/errors";
import { plural } from "@/shared/lib/format";
import { useConnectionModels } from "../api/queries";
import type { Connection } from "../api/schemas";

/** Whether the server answers at this moment, with an icon that says the same as its colour. */
export function ConnectionState({ connection }: { connection: Connection }) {
  const models = useConnectionModels(connection.id, connection.ready, connection.is_local);
  if (connection.problem) return <Bad text={connection.problem.error} next={connection.problem.next_step} />;
  if (models.error) {
    const body = bodyOf(models.error);
    return <Bad text={body.error} next={body.next_step} />;
  }
  if (!models.data) {
    return (
      <p className="flex items-center gap-2 text-sm text-soft">
        <CircleDashed aria-hidden className="size-4 animate-spin" /> Asking the server…
      </p>
    );
  }
  return (
    <p className="flex items-center gap-2 text-sm text-good">
      <CircleCheck aria-hidden className="size-4 shrink-0" />
      Answers, with {plural(models.data.length, "model")}
    </p>
  );
}

function Bad({ text, next }: { text: string; next?: string | null }) {
  return (
    <p className="flex gap-2 text-sm">
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
      <span>
        <span className="block text-bad">{text}</span>
        {next && <span className="block text-soft">{next}</span>}
      </span>
    </p>
  );
}
