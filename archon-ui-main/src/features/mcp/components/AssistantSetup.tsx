import * as Tabs from "@radix-ui/react-tabs";
import { ASSISTANTS } from "../assistants";
import { CopyBlock } from "./CopyBlock";

const TAB =
  "min-h-9 rounded-lg px-3 text-[0.9375rem] font-medium text-soft hover:text-ink " +
  "data-[state=active]:bg-surface data-[state=active]:text-ink data-[state=active]:shadow-lift";

interface AssistantSetupProps {
  address: string;
  tokenRequired: boolean;
}

/** The lines that each assistant wants, ready to be copied. */
export function AssistantSetup({ address, tokenRequired }: AssistantSetupProps) {
  return (
    <Tabs.Root defaultValue={ASSISTANTS[0]?.id}>
      <Tabs.List aria-label="Assistant" className="mb-5 flex flex-wrap gap-1 rounded-xl bg-sunken p-1">
        {ASSISTANTS.map(({ id, name }) => (
          <Tabs.Trigger key={id} value={id} className={TAB}>
            {name}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      {ASSISTANTS.map(({ id, name, docs, setups }) => (
        <Tabs.Content key={id} value={id} className="space-y-4">
          {setups(address, tokenRequired).map(({ where, text, note }) => (
            <div key={where} className="space-y-2">
              <CopyBlock label={where} text={text} />
              {note && <p className="text-[0.9375rem] text-soft">{note}</p>}
            </div>
          ))}
          {tokenRequired && (
            <p className="text-[0.9375rem] text-soft">
              This server wants its token: put ARCHON_TOKEN of the server’s .env in the place of
              YOUR_ARCHON_TOKEN. Keep such files out of version control.
            </p>
          )}
          <a href={docs} target="_blank" rel="noreferrer" className="link text-sm">
            How {id === "other" ? "the protocol" : name} is configured
          </a>
        </Tabs.Content>
      ))}
    </Tabs.Root>
  );
}
