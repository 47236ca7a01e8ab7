import { memo } from "react";
import { pieces } from "./highlight";

/** Code in colours. A module of its own, loaded with the first code that is shown. */
const Highlighted = memo(function Highlighted({ code, language }: { code: string; language: string }) {
  return (
    <>
      {pieces(code, language).map(({ text, className }, n) => (
        // The pieces of a text have no other name than their place.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <span key={n} className={className || undefined}>
          {text}
        </span>
      ))}
    </>
  );
});
export default Highlighted;
