import { FilePlus2, X } from "lucide-react";
import { useState } from "react";
import { IconButton } from "@/shared/ui/Button";
import { textOf } from "../file";

export interface OtherFile {
  path: string;
  text: string;
}

interface OtherFilesProps {
  files: OtherFile[];
  error: string | null;
  onChange: (files: OtherFile[]) => void;
}

/** Files that help to understand the code; the most relevant of them are shown to the model as far as there is room. */
export function OtherFiles({ files, error, onChange }: OtherFilesProps) {
  const [unread, setUnread] = useState<string[]>([]);
  const add = async (list: FileList | null) => {
    const all = await Promise.all(
      [...(list ?? [])].map(async (one) => ({ path: one.name, text: await textOf(one).catch(() => null) })),
    );
    const read = all.filter((one): one is OtherFile => one.text !== null);
    setUnread(all.filter((one) => one.text === null).map((one) => one.path));
    const names = new Set(read.map((one) => one.path));
    onChange([...files.filter((one) => !names.has(one.path)), ...read]);
  };
  return (
    <fieldset className="space-y-2">
      <legend className="mb-1.5 font-medium">
        Other files <span className="ml-1 text-sm font-normal text-soft">optional</span>
      </legend>
      {files.length > 0 && (
        <ul aria-label="Other files" className="flex flex-wrap gap-2">
          {files.map((file) => (
            <li
              key={file.path}
              className="flex items-center gap-1 rounded-lg bg-sunken pl-3 font-mono text-sm"
            >
              {file.path}
              <IconButton
                label={`Remove ${file.path}`}
                onClick={() => onChange(files.filter((one) => one !== file))}
              >
                <X aria-hidden className="size-4" />
              </IconButton>
            </li>
          ))}
        </ul>
      )}
      <label className="inline-flex min-h-9 cursor-pointer items-center gap-2 rounded-[0.625rem] border border-edge/60 px-3 text-sm font-medium hover:border-edge hover:bg-sunken has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent">
        <FilePlus2 aria-hidden className="size-4" /> Add files
        <input
          type="file"
          multiple
          aria-label="Add other files"
          className="sr-only"
          onChange={(event) => {
            void add(event.target.files);
            event.target.value = "";
          }}
        />
      </label>
      {(error || unread.length > 0) && (
        <p role="alert" className="text-sm font-medium text-bad">
          {error ?? `Not UTF-8 text, so left out: ${unread.join(", ")}.`}
        </p>
      )}
    </fieldset>
  );
}
