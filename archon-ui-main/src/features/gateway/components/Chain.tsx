import { CircleAlert, CircleCheck, CircleDashed } from "lucide-react";
import { useState } from "react";
import { useSettings } from "@/shared/api/settings";
import { Button } from "@/shared/ui/Button";
import { Word } from "@/shared/ui/Word";
import { useInferenceHealth } from "../api/queries";
import type { Link } from "../api/schemas";
import { seconds } from "../words";
import { ChainForm } from "./ChainForm";

/** Who answers chats, and who would when that one cannot. */
export function Chain() {
  const [changing, setChanging] = useState(false);
  const { data } = useInferenceHealth();
  const { data: settings } = useSettings();
  if (!data?.primary) return null;
  const links: [string, Link][] = [
    ["Answers", data.primary],
    ...data.fallbacks.map((link, place): [string, Link] => [`Fallback ${place + 1}`, link]),
  ];
  return (
    <section aria-labelledby="chain" className="mt-10">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 id="chain" className="font-serif text-xl font-semibold">
          Who answers questions
        </h2>
        {settings && !changing && (
          <Button small onClick={() => setChanging(true)}>
            Change
          </Button>
        )}
      </div>
      <p className="mt-1 text-soft">
        {data.enabled
          ? "When the first cannot answer, the next one is asked; the answer says who gave it."
          : "No other provider is asked when this one cannot answer."}
      </p>
      {settings && changing && <ChainForm values={settings.values} onDone={() => setChanging(false)} />}
      <ol className="card mt-3 divide-y divide-line">
        {links.map(([role, link]) => (
          <ChainLink key={link.provider} role={role} link={link} />
        ))}
      </ol>
    </section>
  );
}

function ChainLink({ role, link }: { role: string; link: Link }) {
  const { healthy, last_error, label, latency_s, models, provider } = link;
  return (
    <li className="space-y-1 px-4 py-3 sm:px-5">
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="text-sm text-soft">{role}</span>
        <span className="font-semibold">{label ?? provider}</span>
        {healthy === null ? (
          <Word Icon={CircleDashed}>Not asked yet</Word>
        ) : (
          <Word tone={healthy ? "good" : "bad"} Icon={healthy ? CircleCheck : CircleAlert}>
            {healthy ? "Well" : "Does not answer"}
          </Word>
        )}
        {latency_s != null && <span className="text-sm text-soft">{seconds(latency_s)}</span>}
      </p>
      {models.length > 0 && <p className="break-words text-sm text-soft">{models.slice(0, 6).join(", ")}</p>}
      {healthy === false && last_error && (
        <p className="text-[0.9375rem]">
          {last_error.error} <span className="text-soft">{last_error.next_step}</span>
        </p>
      )}
    </li>
  );
}
