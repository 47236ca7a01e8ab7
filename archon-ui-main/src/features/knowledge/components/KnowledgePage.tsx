import { History, Library, Plus } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { SpaceChange } from "@/features/spaces";
import { useSettings } from "@/shared/api/settings";
import { Button, buttonClasses } from "@/shared/ui/Button";
import { Dialog } from "@/shared/ui/Dialog";
import { EmptyState } from "@/shared/ui/EmptyState";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Page } from "@/shared/ui/Page";
import type { Begun } from "../api/work";
import { AddKnowledge } from "./AddKnowledge";
import { SourceList } from "./SourceList";
import { WorkList } from "./WorkList";

/** What Archon knows, what it is reading, and giving it more. */
export function KnowledgePage() {
  const [adding, setAdding] = useState(false);
  const [begun, setBegun] = useState<Begun | null>(null);
  const { data: settings } = useSettings();
  const problem = settings?.services.embedding.problem;
  return (
    <Page
      title="Knowledge"
      lead="The documentation your answers come from."
      actions={
        <div className="flex flex-wrap gap-2">
          <Link to="/history" className={buttonClasses()}>
            <History aria-hidden className="size-4" /> History
          </Link>
          <Button look="primary" onClick={() => setAdding(true)}>
            <Plus aria-hidden className="size-4" /> Add knowledge
          </Button>
        </div>
      }
    >
      {problem && (
        <ErrorNote
          error={problem}
          title="Nothing can be stored: the embedding model is not ready."
          className="mb-6"
          actions={
            <Link to="/settings" className="link">
              Open Settings
            </Link>
          }
        />
      )}
      <SpaceChange />
      <WorkList begun={begun} />
      <SourceList
        empty={
          <EmptyState Icon={Library} title="Nothing stored yet">
            <p>
              Give Archon a documentation site or a few files. It reads them, cuts them into passages and
              finds the right ones when you ask.
            </p>
          </EmptyState>
        }
        first={<AddKnowledge onStarted={(id) => setBegun({ id })} />}
      />
      <Dialog
        open={adding}
        onOpenChange={setAdding}
        title="Add knowledge"
        description="Reading happens in the background; you can leave this page."
      >
        <AddKnowledge
          onStarted={(id) => {
            setAdding(false);
            setBegun({ id });
          }}
        />
      </Dialog>
    </Page>
  );
}
