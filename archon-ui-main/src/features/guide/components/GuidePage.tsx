import { useState } from "react";
import { Link } from "react-router";
import { AddKnowledge, type Begun, WorkList } from "@/features/knowledge";
import { CheckBoth, useServiceHealth } from "@/features/providers";
import { type Settings, useSettings } from "@/shared/api/settings";
import { buttonClasses } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Page } from "@/shared/ui/Page";
import { Skeleton } from "@/shared/ui/Skeleton";
import { Step } from "./Step";

/** From nothing to a first answer, in four steps. */
export function GuidePage() {
  const { data: settings, error, refetch } = useSettings();
  return (
    <Page
      title="Welcome to Archon"
      lead="Four steps to your first answer. You can leave and come back at any of them."
    >
      {error && !settings && (
        <ErrorNote error={error} title="The settings could not be read." onRetry={() => void refetch()} />
      )}
      {!settings && !error && <Skeleton rows={4} shape="h-20 rounded-2xl" />}
      {settings && <Steps settings={settings} />}
    </Page>
  );
}

function Steps({ settings }: { settings: Settings }) {
  const [begun, setBegun] = useState<Begun | null>(null);
  const health = useServiceHealth() ?? [];
  const { provider_chosen, knowledge, question_asked } = settings.first_run;
  const answers = health.length > 0 && health.every(({ state }) => state === "well");
  const done = [provider_chosen, provider_chosen && answers, knowledge, question_asked];
  const current = done.indexOf(false);
  const chosen = health
    .map(({ service, provider }) => `${provider} for ${service.title.toLowerCase()}`)
    .join(", ");
  return (
    <ol className="space-y-3">
      <Step
        number={1}
        title="Choose who serves your models"
        done={done[0]}
        current={current === 0}
        outcome={`${chosen}.`}
      >
        <p>
          Archon needs a model that writes and one that embeds: your own servers, or a cloud. One provider can
          do both.
        </p>
        <Link to="/settings" className={buttonClasses("primary")}>
          Choose a provider
        </Link>
      </Step>
      <Step
        number={2}
        title="Check that they answer"
        done={done[1]}
        current={current === 1}
        outcome="Both answer."
      >
        <p>One real request to each tells what they offer, or what is in the way.</p>
        <CheckBoth settings={settings} />
        <Link to="/settings" className="link">
          Change the settings
        </Link>
      </Step>
      <Step
        number={3}
        title="Add knowledge"
        done={done[2]}
        current={current === 2}
        outcome="Something is stored."
      >
        <p>A documentation site, a single page, or files. Reading goes on in the background.</p>
        <WorkList begun={begun} />
        <AddKnowledge onStarted={(id) => setBegun({ id })} />
      </Step>
      <Step
        number={4}
        title="Ask your first question"
        done={done[3]}
        current={current === 3}
        outcome="Asked."
      >
        <p>The answer is written from your knowledge and shows, sentence by sentence, what it rests on.</p>
        <Link to="/ask" className={buttonClasses("primary")}>
          Ask a question
        </Link>
      </Step>
      {current === -1 && (
        <li className="pt-2">
          <Link to="/ask" className={buttonClasses("primary")}>
            All done: go and ask
          </Link>
        </li>
      )}
    </ol>
  );
}
