import * as Tabs from "@radix-ui/react-tabs";
import { FileUp, Globe } from "lucide-react";
import { CrawlForm } from "./CrawlForm";
import { UploadForm } from "./UploadForm";

const TAB =
  "flex min-h-10 flex-1 items-center justify-center gap-2 rounded-lg px-3 font-medium text-soft hover:text-ink " +
  "data-[state=active]:bg-surface data-[state=active]:text-ink data-[state=active]:shadow-lift";

/** The two ways in: an address to read, or files. `onStarted` hears the id of the work that began. */
export function AddKnowledge({ onStarted }: { onStarted: (id: string) => void }) {
  return (
    <Tabs.Root defaultValue="web">
      <Tabs.List aria-label="Where from" className="mb-5 flex gap-1 rounded-xl bg-sunken p-1">
        <Tabs.Trigger value="web" className={TAB}>
          <Globe aria-hidden className="size-4" /> Website
        </Tabs.Trigger>
        <Tabs.Trigger value="files" className={TAB}>
          <FileUp aria-hidden className="size-4" /> Files
        </Tabs.Trigger>
      </Tabs.List>
      <Tabs.Content value="web">
        <CrawlForm onStarted={onStarted} />
      </Tabs.Content>
      <Tabs.Content value="files">
        <UploadForm onStarted={onStarted} />
      </Tabs.Content>
    </Tabs.Root>
  );
}
