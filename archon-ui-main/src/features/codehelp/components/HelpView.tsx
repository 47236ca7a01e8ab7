import { LoaderCircle } from "lucide-react";
import { useFailedConnection } from "@/features/connections";
import { count, duration, plural } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Markdown } from "@/shared/ui/Markdown";
import { Notice } from "@/shared/ui/Notice";
import type { Context, Usage } from "../api/schemas";
import type { Help } from "../hooks/useCodeHelp";
import { DiffView } from "./DiffView";

interface HelpViewProps {
  help: Help;
  path: string;
  /** The error belongs to a field of the form and is shown there. */
  errorElsewhere: boolean;
}

/** What the model says, as it says it, and what came of it. */
export function HelpView({ help, path, errorElsewhere }: HelpViewProps) {
  const { phase, wish, result, retry, error, stopped, text, thoughts } = help;
  const connection = useFailedConnection(error);
  if (phase === "idle") return null;
  const running = phase === "running";
  return (
    <section aria-label={wish === "rewrite" ? "Rewrite" : "Explanation"} className="card space-y-4 p-5">
      <p role="status" className="flex items-center gap-2 text-[0.9375rem] text-soft">
        {running && <LoaderCircle aria-hidden className="size-4 animate-spin" />}
        {said(help)}
      </p>
      {retry && <Notice tone="warn">The first answer was not used: {retry}</Notice>}
      {thoughts && (
        <details className="text-sm text-soft">
          <summary className="w-fit">Reasoning</summary>
          <p className="mt-1 whitespace-pre-wrap">{thoughts}</p>
        </details>
      )}
      {wish === "explain" && text && <Markdown text={text} />}
      {wish === "rewrite" && text && !result && (
        <pre className="overflow-x-auto rounded-xl bg-sunken p-4 font-mono text-[0.8125rem]">{text}</pre>
      )}
      {result?.diff !== undefined && <DiffView diff={result.diff} path={path} text={result.text ?? ""} />}
      {result?.cut && <Notice tone="warn">The explanation was cut at the longest answer.</Notice>}
      {stopped && <Notice tone="info">Stopped. What came is not whole.</Notice>}
      {error && !errorElsewhere && <ErrorNote error={error} connection={connection} />}
      {help.start && <Shown context={help.start.context} usage={help.usage} />}
      {help.start?.knowledge_problem && (
        <Notice tone="warn" title="Answered without the knowledge base.">
          <p>{help.start.knowledge_problem.error}</p>
        </Notice>
      )}
    </section>
  );
}

function said({ phase, start, result, error, stopped, wish }: Help): string {
  if (phase === "running")
    return start ? `${start.model} is writing…` : "Gathering what the model has to see…";
  if (error || stopped || !start) return "Ended.";
  if (wish === "rewrite" && result) return `${start.model} suggests this change.`;
  return `Explained by ${start.model}.`;
}

function Shown({ context, usage }: { context: Context; usage: Usage | null }) {
  const { left_out: left, files, passages } = context;
  const shown = [
    `lines ${count(context.first_line)} to ${count(context.last_line)}`,
    ...files.map((file) =>
      file.lines < file.of_lines
        ? `${file.path} (${count(file.lines)} of ${count(file.of_lines)} lines)`
        : file.path,
    ),
    passages.length > 0 ? plural(passages.length, "passage") : null,
  ].filter(Boolean);
  const missing = [
    left.lines_before > 0 ? `${plural(left.lines_before, "line")} before` : null,
    left.lines_after > 0 ? `${plural(left.lines_after, "line")} after` : null,
    ...left.files,
    left.file_lines > 0 ? `${plural(left.file_lines, "line")} of other files` : null,
    left.passages > 0 ? plural(left.passages, "passage") : null,
  ].filter(Boolean);
  return (
    <details className="border-t border-line pt-3 text-sm text-soft">
      <summary className="w-fit">
        What the model saw: {count(context.prompt_tokens)} of {count(context.max_model_len)} tokens
        {missing.length > 0 && ", not everything"}
      </summary>
      <p className="mt-1">Shown: {shown.join(", ")}.</p>
      {missing.length > 0 && <p>No room for: {missing.join(", ")}.</p>}
      {usage?.completion_tokens != null && usage.total_ms != null && (
        <p>
          {plural(usage.completion_tokens, "token")} in {duration(usage.total_ms)}
          {usage.first_token_ms != null && `, the first after ${duration(usage.first_token_ms)}`}.
        </p>
      )}
    </details>
  );
}
