import { Search } from "lucide-react";
import { type RefObject, useState } from "react";
import { Button } from "@/shared/ui/Button";

interface SearchBoxProps {
  query: string;
  box: RefObject<HTMLInputElement | null>;
  onSearch: (query: string) => void;
}

/** The question. It follows the address: Back brings the former one. */
export function SearchBox({ query, box, onSearch }: SearchBoxProps) {
  const [text, setText] = useState(query);
  const [shown, setShown] = useState(query);
  if (shown !== query) {
    setShown(query);
    setText(query);
  }
  return (
    <form
      className="flex gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        onSearch(text.trim());
      }}
    >
      <div className="relative flex-1">
        <Search aria-hidden className="absolute left-3.5 top-1/2 size-5 -translate-y-1/2 text-soft" />
        <input
          ref={box}
          type="search"
          enterKeyHint="search"
          aria-label="Search your knowledge"
          aria-keyshortcuts="/"
          placeholder="Words, a name, or a question"
          className="input h-12 pl-11! text-[1.0625rem]"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <Button look="primary" type="submit" className="h-12">
        Search
      </Button>
    </form>
  );
}
