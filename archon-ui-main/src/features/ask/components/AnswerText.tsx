import { useMemo } from "react";
import type { Components } from "react-markdown";
import { type Passage, SupportKind } from "../api/schemas";
import { forMath } from "../math";
import { markSupport, type Placed } from "../support";
import { Chip } from "./Chip";
import type { OpenedPassage } from "./PassagePanel";
import { RichText } from "./RichText";

interface AnswerTextProps {
  text: string;
  placed: readonly Placed[];
  passages: readonly Passage[];
  writing: boolean;
  onOpen: (opened: OpenedPassage) => void;
}

/** The answer as Markdown, each sentence with its support, each marker a button that opens its passage. */
export function AnswerText({ text, placed, passages, writing, onOpen }: AnswerTextProps) {
  const plugins = useMemo(() => {
    const numbers = new Set(passages.map((passage) => passage.number));
    return [markSupport(forMath(text), placed, numbers)];
  }, [text, placed, passages]);
  const components = useMemo(() => chips(passages, onOpen), [passages, onOpen]);
  return (
    <RichText
      text={text}
      rehypePlugins={plugins}
      components={components}
      className={
        writing
          ? "text-[1.0313rem] [&>:last-child]:after:ml-1 [&>:last-child]:after:inline-block [&>:last-child]:after:h-4 [&>:last-child]:after:w-2 [&>:last-child]:after:animate-pulse [&>:last-child]:after:rounded-sm [&>:last-child]:after:bg-accent [&>:last-child]:after:align-[-0.1em]"
          : "text-[1.0313rem]"
      }
    />
  );
}

function chips(passages: readonly Passage[], onOpen: (opened: OpenedPassage) => void): Components {
  return {
    sup: ({ node, children }) => {
      const kind = SupportKind.safeParse(node?.properties.dataKind);
      if (!kind.success) return <sup>{children}</sup>;
      const number = Number(node?.properties.dataNumber);
      const passage = passages.find((one) => one.number === number);
      return (
        <Chip
          kind={kind.data}
          number={number}
          title={passage?.title}
          onOpen={passage && (() => onOpen({ passage, kind: kind.data }))}
        />
      );
    },
  };
}
