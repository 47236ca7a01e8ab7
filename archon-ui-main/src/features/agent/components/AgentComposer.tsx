import { ArrowUp, Square } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { Button } from "@/shared/ui/Button";

interface AgentComposerProps {
  writing: boolean;
  /** The session is being read: it says who answers. */
  waiting: boolean;
  onSend: (question: string) => void;
  onStop: () => void;
}

/** The box a question to the agent is typed into. Enter asks, Shift+Enter begins a new line. */
export function AgentComposer({ writing, waiting, onSend, onStop }: AgentComposerProps) {
  const [text, setText] = useState("");
  const ready = text.trim() !== "" && !writing && !waiting;
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
      aria-label="Ask the agent"
      className="card p-2.5 shadow-float focus-within:border-accent"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        aria-label="Your question"
        placeholder="Ask something that needs more than one search…"
        rows={1}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        className="field-sizing-content block max-h-48 min-h-11 w-full resize-none bg-transparent px-2.5 py-2 outline-none"
      />
      <div className="flex justify-end">
        {writing ? (
          <Button small onClick={onStop}>
            <Square aria-hidden className="size-3.5 fill-current" /> Stop
          </Button>
        ) : (
          <Button small type="submit" look="primary" disabled={!ready}>
            <ArrowUp aria-hidden className="size-4" /> Ask
          </Button>
        )}
      </div>
    </form>
  );
}
