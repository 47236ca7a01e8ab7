import { FileText, LoaderCircle, UploadCloud, X } from "lucide-react";
import { type DragEvent, type FormEvent, useState } from "react";
import { classes } from "@/shared/lib/classes";
import { count, plural } from "@/shared/lib/format";
import { Button, IconButton } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Field } from "@/shared/ui/Field";
import { type Upload, useUploads } from "../hooks/useUploads";
import { tagsOf } from "../tags";

const CODE =
  "py js ts tsx jsx java kt c h cpp cs go rs rb php swift scala sh sql css json yaml yml toml xml lua r tf";
const ACCEPTED = [
  ".pdf,.docx,.pptx,.xlsx,.epub,.html,.htm,.md,.mdx,.markdown,.txt,.rst,.zip,.csv",
  ...CODE.split(" ").map((ending) => `.${ending}`),
].join(",");

/** Files, dropped or chosen, sent together. */
export function UploadForm({ onStarted }: { onStarted: (id: string) => void }) {
  const { uploads, add, remove, send, sending } = useUploads();
  const [over, setOver] = useState(false);

  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  };
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const tags = tagsOf(String(new FormData(event.currentTarget).get("tags")));
    const newest = await send(tags);
    if (newest) onStarted(newest);
  };

  return (
    <form onSubmit={submit} className="space-y-4">
      <label
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
        className={classes(
          "flex flex-col items-center gap-1 rounded-xl border-2 border-dashed px-4 py-8 text-center transition-colors",
          "has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent",
          over ? "border-accent bg-accent-wash" : "border-edge/50 hover:border-edge",
        )}
      >
        <UploadCloud aria-hidden className="mb-1 size-7 text-accent" />
        <span className="font-medium">Drop files here, or choose them</span>
        <span className="text-sm text-soft">
          PDF, Word, PowerPoint, Excel, EPUB, HTML, Markdown, text, source code, or a zip of these; many at
          once
        </span>
        <input
          type="file"
          multiple
          accept={ACCEPTED}
          aria-label="Choose files"
          className="sr-only"
          onChange={(event) => {
            add(event.target.files ?? []);
            event.target.value = "";
          }}
        />
      </label>
      {uploads.length > 0 && (
        <ul aria-label="Files to send" className="space-y-2">
          {uploads.map((upload) => (
            <UploadRow key={upload.id} upload={upload} onRemove={() => remove(upload.id)} />
          ))}
        </ul>
      )}
      <Field label="Tags" optional help="Separated by commas.">
        {(ids) => <input {...ids} name="tags" className="input" autoComplete="off" />}
      </Field>
      <Button type="submit" look="primary" disabled={uploads.length === 0} busy={sending}>
        {uploads.length > 1 ? `Upload ${plural(uploads.length, "file")}` : "Upload"}
      </Button>
    </form>
  );
}

function UploadRow({ upload, onRemove }: { upload: Upload; onRemove: () => void }) {
  const { file, state, error } = upload;
  const Icon = state === "sending" ? LoaderCircle : FileText;
  return (
    <li className="space-y-2">
      <div className="flex items-center gap-3 rounded-xl bg-sunken py-1 pl-3.5 pr-1">
        <Icon
          aria-hidden
          className={classes("size-4 shrink-0 text-soft", state === "sending" && "animate-spin")}
        />
        <span className="min-w-0 flex-1">{file.name}</span>
        <span className="whitespace-nowrap text-sm text-soft">
          {state === "sending" ? "Sending…" : `${count(Math.ceil(file.size / 1024))} kB`}
        </span>
        <IconButton label={`Remove ${file.name}`} onClick={onRemove} disabled={state === "sending"}>
          <X aria-hidden className="size-4" />
        </IconButton>
      </div>
      {state === "refused" && <ErrorNote error={error} title={`${file.name} was not taken.`} />}
    </li>
  );
}
