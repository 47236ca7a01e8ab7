import { KeyRound, Pencil, Star, Stethoscope, Trash2 } from "lucide-react";
import { Link } from "react-router";
import { CheckReport } from "@/features/providers";
import { plural, shortUrl } from "@/shared/lib/format";
import { Button, IconButton } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { useCheckConnection, useMakeDefault } from "../api/queries";
import type { Connection } from "../api/schemas";
import { ConnectionState } from "./ConnectionState";

interface ConnectionRowProps {
  connection: Connection;
  onEdit: () => void;
  onDelete: () => void;
}

/** One connection: what it is, whether its server answers, and what can be done with it. */
export function ConnectionRow({ connection, onEdit, onDelete }: ConnectionRowProps) {
  const check = useCheckConnection();
  const makeDefault = useMakeDefault();
  const { id, name, is_default } = connection;
  return (
    <li className="card space-y-4 p-5" aria-label={name}>
      <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-3 sm:flex-nowrap">
        <div className="min-w-0 space-y-1.5 sm:flex-1">
          <h2 className="flex flex-wrap items-center gap-2 text-lg font-semibold leading-tight">
            {name}
            {is_default && <Badge tone="accent">Default</Badge>}
            {connection.read_only && <Badge>Settings</Badge>}
            {connection.is_local && <Badge>Local</Badge>}
            {connection.has_key && (
              <KeyRound aria-label="Has an API key" role="img" className="size-4 text-soft" />
            )}
          </h2>
          <Facts connection={connection} />
          <ConnectionState connection={connection} />
        </div>
        <div className="flex shrink-0 items-center gap-1">
          <Button small onClick={() => check.mutate(id)} busy={check.isPending}>
            {!check.isPending && <Stethoscope aria-hidden className="size-4" />}
            Check <span className="sr-only">{name}</span>
          </Button>
          {!is_default && (
            <IconButton label={`Make ${name} the default`} onClick={() => makeDefault.mutate(id)}>
              <Star aria-hidden className="size-4" />
            </IconButton>
          )}
          {connection.read_only ? (
            <Link to="/settings" className="link px-2 text-sm">
              Change in Settings
            </Link>
          ) : (
            <>
              <IconButton label={`Edit ${name}`} onClick={onEdit}>
                <Pencil aria-hidden className="size-4" />
              </IconButton>
              <IconButton label={`Delete ${name}`} onClick={onDelete}>
                <Trash2 aria-hidden className="size-4" />
              </IconButton>
            </>
          )}
        </div>
      </div>
      {makeDefault.error && <ErrorNote error={makeDefault.error} />}
      {check.error && <ErrorNote error={check.error} title="The check did not run." />}
      {check.data && !check.isPending && (
        <CheckReport
          result={check.data}
          providerLabel={name}
          stale={false}
          onApply={onEdit}
          onAgain={() => check.mutate(id)}
        />
      )}
    </li>
  );
}

function Facts({ connection }: { connection: Connection }) {
  const { provider_label, base_url, model, ready, max_tokens, temperature, timeout } = connection;
  const limits = [
    `silence of ${timeout} s`,
    max_tokens ? `answers of ${plural(max_tokens, "token")}` : null,
    temperature == null ? null : `temperature ${temperature}`,
  ];
  return (
    <p className="text-[0.9375rem] text-soft">
      {provider_label}
      {base_url && <> · {shortUrl(base_url)}</>}
      {(model || ready) && <> · {model ?? "the model that is served"}</>}
      <span className="sr-only">; at most {limits.filter(Boolean).join(", ")}</span>
    </p>
  );
}

function Badge({ tone, children }: { tone?: "accent"; children: string }) {
  const colours = tone === "accent" ? "bg-accent-wash text-accent" : "bg-sunken text-soft";
  return <span className={`rounded-full px-2.5 py-0.5 text-xs font-semibold ${colours}`}>{children}</span>;
}
