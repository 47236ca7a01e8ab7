import { Pause, Play, RotateCcw, Square } from "lucide-react";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { useSteer, type Verb } from "../api/jobs";

const LOOKS = {
  pause: { Icon: Pause, word: "Pause" },
  resume: { Icon: Play, word: "Resume" },
  cancel: { Icon: Square, word: "Stop" },
  retry: { Icon: RotateCcw, word: "Retry what failed" },
} as const;

interface WorkActionsProps {
  id: string;
  /** What the work is called, for screen readers. */
  name: string;
  verbs: readonly Verb[];
  busy?: boolean;
}

/** Buttons that steer a piece of work. */
export function WorkActions({ id, name, verbs, busy }: WorkActionsProps) {
  const steer = useSteer();
  return (
    <div className="flex flex-col items-end gap-3">
      <div className="flex flex-wrap justify-end gap-2">
        {verbs.map((verb) => {
          const { Icon, word } = LOOKS[verb];
          const waits = busy || (steer.isPending && steer.variables.verb === verb);
          return (
            <Button key={verb} small busy={waits} onClick={() => steer.mutate({ id, verb })}>
              <Icon aria-hidden className="size-3.5" /> {word} <span className="sr-only">{name}</span>
            </Button>
          );
        })}
      </div>
      {steer.error && <ErrorNote error={steer.error} title="That did not work." />}
    </div>
  );
}
