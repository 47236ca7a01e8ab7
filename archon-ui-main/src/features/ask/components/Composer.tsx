import { ArrowUp, Square } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { count } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import type { ChatSettings } from "../api/schemas";
import type { Changes } from "../hooks/useChatSettings";
import { Attachments } from "./Attachments";
import { KnowledgePicker } from "./KnowledgePicker";

/** What the server takes at most. */
const LONGEST = 200_000;

interface ComposerProps {
  writing: boolean;
  settings: ChatSettings;
  onChange: (changes: Changes) => void;
  onSend: (message: string) => void;
  onStop: () => void;
}

/** The box a question is typed into. Enter asks, Shift+Enter begins a new line. */
export function Composer({ writing, settings, onChange, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState("");
  const tooLong = text.length > LONGEST;
  const ready = text.trim() !== "" && !writing && !tooLong;
  const send = () => {
    if (!ready) return;
    onSend(text.trim());
    setText("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // An Enter that ends a composed character is not a question.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      aria-label="Ask a question"
      className="card p-2.5 shadow-float focus-within:border-accent"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        data-composer
        aria-label="Your question"
        aria-describedby="composer-keys"
        aria-invalid={tooLong || undefined}
        placeholder={settings.knowledge ? "Ask your knowledge…" : "Ask the model…"}
        rows={1}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        className="field-sizing-content block max-h-48 min-h-11 w-full resize-none bg-transparent px-2.5 py-2 outline-none"
      />
      {tooLong && (
        <p role="alert" className="px-2.5 pb-2 text-sm font-medium text-bad">
          {count(text.length)} characters; {count(LONGEST)} is the limit. Shorten it, or add the text as a
          document and ask about it.
        </p>
      )}
      <div className="flex flex-wrap items-center gap-x-1 gap-y-2">
        <KnowledgePicker settings={settings} onChange={onChange} />
        <Attachments settings={settings} onChange={onChange} />
        <span id="composer-keys" className="ml-auto hidden pr-2 text-[0.8125rem] text-soft md:inline">
          Enter asks, Shift + Enter begins a new line
        </span>
        <span className="ml-auto md:ml-0">
          {writing ? (
            <Button small onClick={onStop}>
              <Square aria-hidden className="size-3.5 fill-current" /> Stop
            </Button>
          ) : (
            <Button small type="submit" look="primary" disabled={!ready}>
              <ArrowUp aria-hidden className="size-4" /> Ask
            </Button>
          )}
        </span>
      </div>
    </form>
  );
}
