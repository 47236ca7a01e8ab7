import { useConnectionName } from "@/features/connections";
import { count, duration } from "@/shared/lib/format";
import type { Usage } from "../api/schemas";

interface FiguresProps {
  connectionId: string | null;
  provider: string | null;
  model: string | null;
  usage: Usage | null;
}

/** Who gave an answer, how long it is, and how quickly it came. */
export function Figures({ connectionId, provider, model, usage }: FiguresProps) {
  const connection = useConnectionName(connectionId, provider);
  const parts = [
    connection,
    model,
    usage?.completion_tokens != null ? `${count(usage.completion_tokens)} tokens` : null,
    usage?.first_token_ms != null ? `first word after ${duration(usage.first_token_ms)}` : null,
    usage?.tokens_per_s != null ? `${usage.tokens_per_s.toFixed(0)} tokens/s` : null,
  ].filter(Boolean);
  return parts.length > 0 ? <p className="ml-1 text-[0.8125rem] text-soft">{parts.join(" · ")}</p> : null;
}
