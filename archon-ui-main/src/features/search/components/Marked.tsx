import { pieces } from "../highlight";

/** Plain text with the question's words marked. */
export function Marked({ text, words }: { text: string; words: readonly string[] }) {
  return pieces(text, words).map((piece) =>
    piece.marked ? <mark key={piece.at}>{piece.text}</mark> : <span key={piece.at}>{piece.text}</span>,
  );
}
