import { CircleAlert, CircleCheck, CircleDashed } from "lucide-react";
import { ago, count, duration } from "@/shared/lib/format";
import { Said } from "@/shared/ui/Said";
import { Word } from "@/shared/ui/Word";
import type { ModelServerStatus, ServerFigures } from "../api/status";
import { CheckHistory } from "./CheckHistory";
import { Facts } from "./Facts";
import { Section } from "./Section";

const SIGNS = {
  up: { word: "Up", tone: "good", Icon: CircleCheck },
  down: { word: "Down", tone: "bad", Icon: CircleAlert },
  unasked: { word: "Not asked yet", tone: "plain", Icon: CircleDashed },
} as const;

const USES: Record<string, string> = { llm: "chat", embedding: "embeddings", rerank: "reranking" };

/** One model server: whether it answers, how busy it is, what failed last, and every look at it. */
export function ServerCard({ server }: { server: ModelServerStatus }) {
  const { word, tone, Icon } = SIGNS[server.state];
  const name = `${server.provider} for ${server.services.map((one) => USES[one] ?? one).join(" and ")}`;
  const id = `server-${server.services.join("-")}`;
  return (
    <Section
      id={id}
      title={name}
      beside={
        <>
          <Word tone={tone} Icon={Icon}>
            {word}
          </Word>
          <code className="min-w-0 font-mono text-sm text-soft">{server.address}</code>
        </>
      }
    >
      {server.state === "unasked" && <p className="text-soft">The first check is still to come.</p>}
      {server.figures && <Facts facts={busy(server.figures)} />}
      <LastFailure failure={server.last_failure} />
      <CheckHistory checks={server.checks} of={name} />
    </Section>
  );
}

function busy({ running, waiting, cache_used, first_token_s }: ServerFigures): [string, string | null][] {
  return [
    ["Running", running === null ? null : count(running)],
    ["In the queue", waiting === null ? null : count(waiting)],
    ["KV cache in use", cache_used === null ? null : `${(cache_used * 100).toFixed(1)} %`],
    ["First token, mean since its start", first_token_s === null ? null : duration(first_token_s * 1000)],
  ];
}

function LastFailure({ failure }: { failure: ModelServerStatus["last_failure"] }) {
  if (failure === null) return null;
  return (
    <div className="text-[0.9375rem]">
      <p>
        <span className="font-medium">Last failure, {ago(failure.at)}:</span> {failure.error}
      </p>
      {failure.next_step && (
        <p className="text-soft">
          <Said text={failure.next_step} />
        </p>
      )}
    </div>
  );
}
