import { ListTree } from "lucide-react";
import { plural } from "@/shared/lib/format";
import { type Heading, headingId } from "../outline";

const INDENT = ["", "", "pl-4", "pl-8"];
const WORTH_IT = 3;

/** The headings of a page; each goes to its place. */
export function Outline({ headings }: { headings: readonly Heading[] }) {
  if (headings.length < WORTH_IT) return null;
  const highest = Math.min(...headings.map((heading) => heading.level));
  return (
    <nav aria-label="On this page" className="card mb-4 px-5 py-3">
      <details>
        <summary className="flex w-fit items-center gap-2 rounded font-medium">
          <ListTree aria-hidden className="size-4 text-soft" /> On this page
          <span className="text-sm font-normal text-soft">{plural(headings.length, "heading")}</span>
        </summary>
        <ul className="mt-2 max-h-80 overflow-y-auto text-[0.9375rem]">
          {headings.map(({ line, level, text }) => (
            <li key={line} className={INDENT[level - highest + 1]}>
              <a
                href={`#${headingId(line)}`}
                className="block truncate rounded py-0.5 text-soft hover:text-ink"
                onClick={(event) => {
                  event.preventDefault();
                  goTo(headingId(line));
                }}
              >
                {text}
              </a>
            </li>
          ))}
        </ul>
      </details>
    </nav>
  );
}

function goTo(id: string): void {
  const heading = document.getElementById(id);
  heading?.scrollIntoView({ block: "start" });
  heading?.focus({ preventScroll: true });
}
