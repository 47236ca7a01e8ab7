import { FolderOpen } from "lucide-react";
import { type DragEvent, type ReactNode, useState } from "react";
import { classes } from "@/shared/lib/classes";
import { count, plural } from "@/shared/lib/format";
import { Field, type FieldIds } from "@/shared/ui/Field";
import { type CodeFile, edited, fileOf, lineCount, lineNumber, linesBetween, textOf } from "../file";

export interface Lines {
  start: number;
  end: number;
}

interface CodeInputProps {
  file: CodeFile;
  lines: Lines;
  errorAt: (field: string) => string | null;
  onFile: (file: CodeFile, lines: Lines) => void;
  onLines: (lines: Lines) => void;
}

/** A file, opened, dropped or pasted, and which of its lines are meant: by marking them or by their numbers. */
export function CodeInput({ file, lines, errorAt, onFile, onLines }: CodeInputProps) {
  const [unread, setUnread] = useState<string | null>(null);
  const total = lineCount(file.text);
  const open = async (files: FileList | null) => {
    const chosen = files?.[0];
    if (!chosen) return;
    const text = await textOf(chosen).catch(() => null);
    setUnread(text === null ? chosen.name : null);
    if (text === null) return;
    const read = fileOf(chosen.name, text);
    onFile(read, { start: 1, end: Math.max(lineCount(read.text), 1) });
  };
  const change = (text: string) => {
    const wasWhole = lines.start === 1 && lines.end >= total;
    onFile(edited(file, text), wasWhole ? { start: 1, end: Math.max(lineCount(text), 1) } : lines);
  };
  return (
    <div className="space-y-4">
      <Field label="Path" help="Below the folder where a diff is applied." error={errorAt("path")}>
        {(ids) => (
          <input
            {...ids}
            className="input font-mono text-sm"
            autoComplete="off"
            spellCheck={false}
            placeholder="src/example.py"
            value={file.path}
            onChange={(event) => onFile({ ...file, path: event.target.value }, lines)}
          />
        )}
      </Field>
      <Field
        label="Code"
        aside={total > 0 ? plural(total, "line") : null}
        error={unread === null ? errorAt("text") : `${unread} is not UTF-8 text, so it was not opened.`}
        help="Mark what you mean with mouse or keyboard; the numbers below follow."
      >
        {(ids) => (
          <CodeBox
            ids={ids}
            text={file.text}
            onText={change}
            onDrop={(files) => void open(files)}
            onMark={onLines}
          />
        )}
      </Field>
      <LineFields lines={lines} total={total} errorAt={errorAt} onLines={onLines}>
        <OpenButton onOpen={(files) => void open(files)} />
      </LineFields>
    </div>
  );
}

interface CodeBoxProps {
  ids: FieldIds;
  text: string;
  onText: (text: string) => void;
  onDrop: (files: FileList) => void;
  onMark: (lines: Lines) => void;
}

/** A text box for code that takes a dropped file too, and tells which lines are marked. */
function CodeBox({ ids, text, onText, onDrop, onMark }: CodeBoxProps) {
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onDrop(event.dataTransfer.files);
  };
  const hover = (event: DragEvent) => {
    event.preventDefault();
    setOver(true);
  };
  const mark = ({ value, selectionStart, selectionEnd }: HTMLTextAreaElement) => {
    if (selectionEnd > selectionStart) onMark(linesBetween(value, selectionStart, selectionEnd));
  };
  return (
    <textarea
      {...ids}
      className={classes(
        "input min-h-72 resize-y whitespace-pre font-mono text-[0.8125rem] leading-relaxed",
        over && "border-accent bg-accent-wash",
      )}
      wrap="off"
      spellCheck={false}
      autoComplete="off"
      placeholder="Paste code here, or drop a file."
      value={text}
      onDragOver={hover}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      onChange={(event) => onText(event.target.value)}
      onSelect={(event) => mark(event.currentTarget)}
    />
  );
}

interface LineFieldsProps {
  lines: Lines;
  total: number;
  errorAt: (field: string) => string | null;
  onLines: (lines: Lines) => void;
  children: ReactNode;
}

function LineFields({ lines, total, errorAt, onLines, children }: LineFieldsProps) {
  const from = (typed: string) => {
    const start = lineNumber(typed, lines.start, total);
    onLines({ start, end: Math.max(start, lines.end) });
  };
  const to = (typed: string) => {
    const end = lineNumber(typed, lines.end, total);
    onLines({ start: Math.min(lines.start, end), end });
  };
  const chosen = Math.min(lines.end, total) - lines.start + 1;
  return (
    <div className="flex flex-wrap items-end gap-3">
      <LineField label="From line" value={lines.start} error={errorAt("start")} onCommit={from} />
      <LineField label="To line" value={lines.end} error={errorAt("end")} onCommit={to} />
      <p role="status" className="pb-2.5 text-[0.9375rem] text-soft">
        {total > 0 && `${plural(chosen, "line")} of ${count(total)} chosen`}
      </p>
      {children}
    </div>
  );
}

interface LineFieldProps {
  label: string;
  value: number;
  error: string | null;
  onCommit: (typed: string) => void;
}

/** A line's number, taken when it is whole: on leaving the field or with Enter. */
function LineField({ label, value, error, onCommit }: LineFieldProps) {
  return (
    <Field label={label} error={error} className="w-28">
      {(ids) => (
        <input
          {...ids}
          key={value}
          className="input font-mono text-sm"
          inputMode="numeric"
          autoComplete="off"
          defaultValue={value}
          onBlur={(event) => onCommit(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && onCommit(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

function OpenButton({ onOpen }: { onOpen: (files: FileList | null) => void }) {
  return (
    <label className="ml-auto inline-flex min-h-[2.625rem] cursor-pointer items-center gap-2 rounded-[0.625rem] border border-edge/60 px-4 font-medium hover:border-edge hover:bg-sunken has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent">
      <FolderOpen aria-hidden className="size-4" /> Open a file
      <input
        type="file"
        aria-label="Open a file"
        className="sr-only"
        onChange={(event) => {
          onOpen(event.target.files);
          event.target.value = "";
        }}
      />
    </label>
  );
}
