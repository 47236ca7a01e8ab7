import { useState } from "react";
import type { Settings } from "@/shared/api/settings";
import { Confirm } from "@/shared/ui/Confirm";
import type { Provider } from "../api/schemas";
import { changesEmbeddingModel } from "../draft";
import { useLeaveGuard } from "../hooks/useLeaveGuard";
import { useSettingsForm } from "../hooks/useSettingsForm";
import { SERVICES } from "../services";
import { ContextualEmbeddings } from "./ContextualEmbeddings";
import { EmbeddingChange } from "./EmbeddingChange";
import { SaveBar } from "./SaveBar";
import { ServicePanel } from "./ServicePanel";

interface ProvidersFormProps {
  settings: Settings;
  providers: readonly Provider[];
}

export function ProvidersForm({ settings, providers }: ProvidersFormProps) {
  const form = useSettingsForm(settings, providers);
  const unsaved = Object.keys(form.changed).length > 0;
  const blocker = useLeaveGuard(unsaved && !form.saving);
  const [asking, setAsking] = useState(false);
  const newSpace = settings.first_run.knowledge && changesEmbeddingModel(settings, form.draft, providers);

  const submit = () => {
    if (!unsaved) return;
    if (newSpace) setAsking(true);
    else form.save();
  };
  return (
    <form
      noValidate
      className="space-y-6"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {SERVICES.map((service) => (
        <ServicePanel key={service.id} service={service} form={form}>
          {service.id === "embedding" && newSpace && (
            <EmbeddingChange model={settings.services.embedding.model} />
          )}
          {service.id === "embedding" && <ContextualEmbeddings form={form} />}
        </ServicePanel>
      ))}
      <SaveBar form={form} />
      <Confirm
        open={asking}
        title="Save another embedding model?"
        confirmLabel="Save and change the model"
        onCancel={() => setAsking(false)}
        onConfirm={() => {
          setAsking(false);
          form.save();
        }}
      >
        <EmbeddingChange model={settings.services.embedding.model} />
      </Confirm>
      <Confirm
        open={blocker.state === "blocked"}
        title="Leave without saving?"
        confirmLabel="Leave, discard the changes"
        cancelLabel="Stay here"
        danger
        onCancel={() => blocker.reset?.()}
        onConfirm={() => blocker.proceed?.()}
      >
        <p>Your changes on this page are not saved yet.</p>
      </Confirm>
    </form>
  );
}
