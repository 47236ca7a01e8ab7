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
import { AddKnowledge } from "./AddKnowledge";
import { SourceList } from "./SourceList";
import { WorkList } from "./WorkList";

/** What Archon knows, what it is reading, and giving it more. */
export function KnowledgePage() {
  const [adding, setAdding] = useState(false);
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
      <WorkList />
      <SourceList
        empty={
          <div className="card">
            <EmptyState Icon={Library} title="Nothing stored yet">
              <p>
                Give Archon a documentation site or a few files. It reads them, cuts them into passages and
                finds the right ones when you ask.
              </p>
            </EmptyState>
            <div className="mx-auto max-w-xl px-5 pb-8">
              <AddKnowledge />
            </div>
          </div>
        }
      />
      <Dialog
        open={adding}
        onOpenChange={setAdding}
        title="Add knowledge"
        description="Reading happens in the background; you can leave this page."
      >
        <AddKnowledge onStarted={() => setAdding(false)} />
      </Dialog>
    </Page>
  );
}
