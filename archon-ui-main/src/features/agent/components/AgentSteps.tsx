import {
  BookOpen,
  Code,
  ListTree,
  LoaderCircle,
  type LucideIcon,
  Search,
  TriangleAlert,
  Wrench,
} from "lucide-react";
import type { Passage } from "@/features/ask/api/schemas";
import { plural } from "@/shared/lib/format";
import type { Tool } from "../api/schemas";

const TOOLS: Record<string, { Icon: LucideIcon; words: string }> = {
  search_knowledge: { Icon: Search, words: "Searched" },
  search_code: { Icon: Code, words: "Searched for code" },
  read_page: { Icon: BookOpen, words: "Read the page of passage" },
  list_sources: { Icon: ListTree, words: "Looked at the sources" },
};

interface AgentStepsProps {
  steps: readonly Tool[];
  onOpen: (passage: Passage) => void;
}

/** What the agent did, in its order; each passage it found can be opened. */
export function AgentSteps({ steps, onOpen }: AgentStepsProps) {
  if (steps.length === 0) return null;
  return (
    <ol aria-label="What the agent did" className="space-y-2 border-l-2 border-line pl-4 text-[0.9375rem]">
      {steps.map((step) => (
        <Step key={step.call_id} step={step} onOpen={onOpen} />
      ))}
    </ol>
  );
}

function Step({ step, onOpen }: { step: Tool; onOpen: (passage: Passage) => void }) {
  const { Icon, words } = TOOLS[step.tool] ?? { Icon: Wrench, words: step.tool };
  const Sign = step.state === "called" ? LoaderCircle : step.state === "refused" ? TriangleAlert : Icon;
  const found = step.passages.length;
  const about = subject(step);
  return (
    <li className="flex gap-2.5">
      <Sign
        aria-hidden
        className={`mt-1 size-4 shrink-0 text-soft ${step.state === "called" ? "animate-spin" : ""}`}
      />
      <div className="min-w-0">
        <p>
          {words}
          {about && <span className="font-medium"> {about}</span>}
          {step.state === "answered" && found > 0 && (
            <span className="text-soft">: {plural(found, "passage")}</span>
          )}
        </p>
        {step.state === "refused" && <p className="text-soft">Refused: {step.summary}</p>}
        {step.state === "answered" && found === 0 && <p className="text-soft">{step.summary}</p>}
        {found > 0 && (
          <ul className="mt-1 flex flex-wrap gap-1.5">
            {step.passages.map((passage) => (
              <li key={passage.number}>
                <button
                  type="button"
                  onClick={() => onOpen(passage)}
                  className="max-w-56 truncate rounded-md bg-sunken px-2 py-0.5 text-sm text-soft hover:text-ink"
                >
                  {passage.number} {passage.title}
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}

/** What a call was about: its only argument, however the model wrote it. */
function subject({ arguments: given }: Tool): string {
  try {
    const parsed: unknown = JSON.parse(given);
    const values = typeof parsed === "object" && parsed !== null ? Object.values(parsed) : [parsed];
    return values.filter((value) => value !== "").join(", ");
  } catch {
    return given;
  }
}
