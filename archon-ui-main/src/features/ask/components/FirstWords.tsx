import { Link } from "react-router";
import { Logo } from "@/shared/ui/Logo";
import { Chip } from "./Chip";

/** What asking is, and how an answer's marks are read, before there is one. */
export function FirstWords({ hasKnowledge }: { hasKnowledge: boolean }) {
  return (
    <div className="mx-auto max-w-xl pt-[6vh]">
      <Logo className="size-12" />
      <h2 className="mt-5 font-serif text-3xl font-semibold tracking-[-0.01em] sm:text-4xl">
        What would you like to know?
      </h2>
      <p className="mt-3 text-[1.0625rem] text-soft">
        Archon looks for the passages that fit, lets your model answer from them, and then checks every
        sentence against what is stored.
      </p>
      {!hasKnowledge && (
        <p className="mt-5 rounded-xl bg-accent-wash px-4 py-3">
          Nothing is stored yet, so there is nothing to answer from.{" "}
          <Link to="/knowledge" className="link">
            Add knowledge first
          </Link>
        </p>
      )}
      <dl className="mt-7 space-y-3.5">
        <Meaning mark={<Chip kind="cited" number={1} />} word="Cited">
          the model named the passage; open it and read for yourself.
        </Meaning>
        <Meaning mark={<Chip kind="similar" number={2} />} word="Similar passage">
          the model named none, but a stored passage says something close.
        </Meaning>
        <Meaning mark={<Chip kind="none" number={0} />} word="No support found">
          nothing stored backs the sentence. Doubt it.
        </Meaning>
      </dl>
    </div>
  );
}

function Meaning({
  mark,
  word,
  children,
}: {
  mark: React.ReactNode;
  word: string;
  children: React.ReactNode;
}) {
  return (
    <div className="flex items-baseline gap-3">
      <span aria-hidden className="w-9 shrink-0 text-center">
        {mark}
      </span>
      <div>
        <dt className="inline font-medium">{word}: </dt>
        <dd className="inline text-soft">{children}</dd>
      </div>
    </div>
  );
}
