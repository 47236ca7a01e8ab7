import { count, shortUrl } from "@/shared/lib/format";
import { Word } from "@/shared/ui/Word";
import type { Figures, Upstream } from "../api/schemas";
import { kindOf, plain, ranked, SIGNS } from "../words";
import { Meter } from "./Meter";

/** One model server: whether it gets requests and why not, what it serves, and how busy it is. */
export function UpstreamRow({ upstream }: { upstream: Upstream }) {
  const { word, tone, Icon } = SIGNS[upstream.state];
  const errors = ranked(upstream.errors);
  return (
    <li className="space-y-3 border-t border-line px-4 py-4 first:border-t-0 sm:px-5">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <h3 className="font-mono text-[0.9375rem] font-semibold">{upstream.name}</h3>
        <Word tone={tone} Icon={Icon}>
          {word}
        </Word>
        <span className="text-sm text-soft">
          {[kindOf(upstream), upstream.version && `vLLM ${upstream.version}`, placeOf(upstream)]
            .filter(Boolean)
            .join(" · ")}
        </span>
      </div>
      <Models models={upstream.models} />
      {upstream.state !== "ready" && <Why upstream={upstream} />}
      {upstream.state === "ready" && <Load upstream={upstream} figures={upstream.figures ?? null} />}
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1.5 text-sm text-soft">
        <span>{`${count(upstream.requests)} requests sent`}</span>
        {errors.map(([code, times]) => (
          <Word key={code} tone="warn">{`${plain(code)} ${count(times)}`}</Word>
        ))}
      </p>
    </li>
  );
}

function placeOf({ name, url }: Upstream): string {
  const place = shortUrl(url);
  return place === name ? "" : place;
}

function Models({ models }: Pick<Upstream, "models">) {
  const names = Object.entries(models);
  if (names.length === 0) return null;
  return (
    <ul aria-label="Models" className="flex flex-wrap gap-x-4 gap-y-1 text-[0.9375rem]">
      {names.map(([name, length]) => (
        <li key={name}>
          <span className="break-all font-medium">{name}</span>
          {length !== null && <span className="text-soft">{` ${count(length)} tokens`}</span>}
        </li>
      ))}
    </ul>
  );
}

/** Why it is out, what to do, and when it is asked again. */
function Why({ upstream: { last_error, back_in_s } }: { upstream: Upstream }) {
  const again = back_in_s == null ? null : back_in_s < 1 ? "now" : `in ${Math.ceil(back_in_s)} s`;
  return (
    <div className="space-y-0.5 text-[0.9375rem]">
      {last_error && <p>{last_error.message}</p>}
      {last_error?.next_step && (
        <p className="text-soft">
          <span className="font-medium">Next step:</span> {last_error.next_step}
        </p>
      )}
      {again && <p className="text-soft">{`It is asked again ${again}.`}</p>}
    </div>
  );
}

function Load({ upstream, figures }: { upstream: Upstream; figures: Figures | null }) {
  const { outstanding, limit } = upstream;
  return (
    <div className="grid gap-x-8 gap-y-3 sm:grid-cols-2">
      <Meter
        label="In flight"
        part={limit ? outstanding / limit : 0}
        value={`${count(outstanding)} of ${count(limit)}`}
      />
      {figures && (
        <Meter
          label="KV cache"
          part={figures.kv_cache_used}
          value={`${(figures.kv_cache_used * 100).toFixed(1)} %`}
        />
      )}
      {figures && (
        <p className="text-sm text-soft sm:col-span-2">
          {"vLLM says: "}
          <span className="font-medium text-ink">{`${count(figures.running)} running`}</span>
          {", "}
          <span className="font-medium text-ink">{`${count(figures.waiting)} waiting`}</span>
        </p>
      )}
    </div>
  );
}
