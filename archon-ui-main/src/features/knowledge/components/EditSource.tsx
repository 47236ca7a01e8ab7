import { useState } from "react";
import { Button } from "@/shared/ui/Button";
import { Dialog } from "@/shared/ui/Dialog";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Field } from "@/shared/ui/Field";
import { toast } from "@/shared/ui/toast";
import type { Source } from "../api/schemas";
import { useSaveSource } from "../api/source";
import { tagsOf } from "../tags";
import { titleOf } from "./SourceRow";

interface EditSourceProps {
  source: Source;
  open: boolean;
  onClose: () => void;
}

const USUAL_TYPES = ["technical", "business"];

/** A source's name and what it is filed under; what was read from it stays as it is. */
export function EditSource({ source, open, onClose }: EditSourceProps) {
  return (
    <Dialog
      open={open}
      onOpenChange={(next) => !next && onClose()}
      title={`Edit ${titleOf(source)}`}
      description="Names and tags are yours; a refresh does not change them."
    >
      <EditForm source={source} onDone={onClose} />
    </Dialog>
  );
}

function EditForm({ source, onDone }: { source: Source; onDone: () => void }) {
  const [title, setTitle] = useState(titleOf(source));
  const [tags, setTags] = useState(source.metadata.tags.join(", "));
  const [type, setType] = useState(source.knowledge_type ?? "technical");
  const save = useSaveSource(source.source_id);
  const types = [...new Set([...USUAL_TYPES, type])];
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(
          { title: title.trim(), tags: tagsOf(tags), knowledge_type: type },
          {
            onSuccess: () => {
              toast("good", `Saved ${title.trim()}.`);
              onDone();
            },
          },
        );
      }}
    >
      <Field label="Title">
        {(ids) => (
          <input
            {...ids}
            required
            className="input"
            value={title}
            onChange={(event) => setTitle(event.target.value)}
          />
        )}
      </Field>
      <Field label="Tags" optional help="Separated by commas. Search and chat can be narrowed to a tag.">
        {(ids) => (
          <input {...ids} className="input" value={tags} onChange={(event) => setTags(event.target.value)} />
        )}
      </Field>
      <Field label="Type">
        {(ids) => (
          <select {...ids} className="input" value={type} onChange={(event) => setType(event.target.value)}>
            {types.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        )}
      </Field>
      {save.error && <ErrorNote error={save.error} title="It was not saved." />}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Cancel</Button>
        <Button look="primary" type="submit" busy={save.isPending} disabled={title.trim() === ""}>
          Save
        </Button>
      </div>
    </form>
  );
}
