import { BookOpenText, PencilLine, Square } from "lucide-react";
import { useState } from "react";
import { ConnectionPicker, type Picked } from "@/features/connections";
import { Button } from "@/shared/ui/Button";
import { Field } from "@/shared/ui/Field";
import { Page } from "@/shared/ui/Page";
import type { Wish } from "../api/stream";
import { asStored, BLANK, type CodeFile } from "../file";
import { useCodeHelp } from "../hooks/useCodeHelp";
import { CodeInput, type Lines } from "./CodeInput";
import { HelpView } from "./HelpView";
import { type OtherFile, OtherFiles } from "./OtherFiles";

interface Asked {
  file: CodeFile;
  lines: Lines;
  others: OtherFile[];
  words: string;
  /** How many passages of the knowledge base to look for. */
  passages: number;
}

const START: Asked = { file: BLANK, lines: { start: 1, end: 1 }, others: [], words: "", passages: 0 };
const PASSAGES = 4;

/** Lines of a file explained or rewritten. */
export function CodeHelpPage() {
  const [asked, setAsked] = useState(START);
  const [picked, setPicked] = useState<Picked>({ connectionId: null, model: "" });
  const { help, ask, stop } = useCodeHelp();
  const change = (part: Partial<Asked>) => setAsked((now) => ({ ...now, ...part }));
  const field = help.phase === "ended" ? (help.error?.field?.replace("selection.", "") ?? null) : null;
  const errorAt = (...names: string[]) =>
    field !== null && names.some((name) => field.startsWith(name)) ? (help.error?.error ?? null) : null;
  const running = help.phase === "running";

  const start = (wish: Wish) =>
    void ask(wish, {
      path: asked.file.path.trim() || "code.txt",
      text: asStored(asked.file),
      selection: asked.lines,
      words: asked.words,
      files: asked.others,
      passages: asked.passages,
      connection_id: picked.connectionId,
      model: picked.model.trim() || null,
    });

  return (
    <Page title="Code" lead="Have lines of a file explained, or rewritten as a diff that git applies.">
      <div className="space-y-6">
        <div className="card space-y-5 p-5">
          <CodeInput
            file={asked.file}
            lines={asked.lines}
            errorAt={(name) => errorAt(name)}
            onFile={(file, lines) => change({ file, lines })}
            onLines={(lines) => change({ lines })}
          />
          <OtherFiles
            files={asked.others}
            error={errorAt("files")}
            onChange={(others) => change({ others })}
          />
          <label className="flex items-center gap-2.5">
            <input
              type="checkbox"
              className="size-5 accent-accent"
              checked={asked.passages > 0}
              onChange={(event) => change({ passages: event.target.checked ? PASSAGES : 0 })}
            />
            With passages of the knowledge base
          </label>
          <ConnectionPicker value={picked} onChange={setPicked} />
          <Field
            label="Question or instruction"
            help="A rewrite needs an instruction; without a question, the lines are explained as they are."
            error={errorAt("instruction", "question")}
          >
            {(ids) => (
              <textarea
                {...ids}
                className="input min-h-20 resize-y"
                value={asked.words}
                onChange={(event) => change({ words: event.target.value })}
              />
            )}
          </Field>
          <div className="flex flex-wrap gap-2">
            <Button
              look="primary"
              disabled={!asked.file.text.trim() || running}
              onClick={() => start("explain")}
            >
              <BookOpenText aria-hidden className="size-4" /> Explain
            </Button>
            <Button
              disabled={!asked.file.text.trim() || !asked.words.trim() || running}
              onClick={() => start("rewrite")}
            >
              <PencilLine aria-hidden className="size-4" /> Rewrite
            </Button>
            {running && (
              <Button look="quiet" onClick={stop}>
                <Square aria-hidden className="size-4" /> Stop
              </Button>
            )}
          </div>
        </div>
        <HelpView
          help={help}
          path={asked.file.path}
          errorElsewhere={
            errorAt("path", "text", "start", "end", "files", "instruction", "question") !== null
          }
        />
      </div>
    </Page>
  );
}
