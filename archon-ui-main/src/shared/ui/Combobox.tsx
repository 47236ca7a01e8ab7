import { Check, ChevronDown, LoaderCircle } from "lucide-react";
import { type KeyboardEvent, useId, useRef, useState } from "react";
import { classes } from "@/shared/lib/classes";
import type { FieldIds } from "./Field";

export interface ComboOption {
  value: string;
  note?: string;
}

interface ComboboxProps {
  ids: FieldIds;
  value: string;
  placeholder?: string;
  options: ComboOption[];
  loading?: boolean;
  /** Said in the list when there is nothing to choose from. */
  emptyText: string;
  onChange: (value: string) => void;
  /** Called when the list is opened, so that it is asked for only when somebody looks. */
  onOpen?: () => void;
}

/** A text box with a list to choose from; any text may be typed. Follows the ARIA combobox pattern. */
export function Combobox(props: ComboboxProps) {
  const { ids, value, options, onChange } = props;
  const listId = useId();
  const input = useRef<HTMLInputElement>(null);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const [typed, setTyped] = useState(false);
  const needle = typed ? value.trim().toLowerCase() : "";
  const shown = options.filter((option) => option.value.toLowerCase().includes(needle));

  const show = (next: boolean) => {
    if (next && !open) props.onOpen?.();
    setOpen(next);
    if (!next) setActive(-1);
  };
  const choose = (option: ComboOption) => {
    onChange(option.value);
    setTyped(false);
    show(false);
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const picked = shown[active];
    if (step !== 0) {
      event.preventDefault();
      show(true);
      if (shown.length > 0) setActive((active + step + shown.length) % shown.length);
    } else if (event.key === "Enter" && open && picked) {
      event.preventDefault();
      choose(picked);
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      show(false);
    }
  };

  return (
    <div className="relative">
      <input
        {...ids}
        ref={input}
        role="combobox"
        aria-expanded={open}
        aria-controls={listId}
        aria-autocomplete="list"
        aria-activedescendant={shown[active] ? `${listId}-${active}` : undefined}
        autoComplete="off"
        spellCheck={false}
        className="input pr-10 font-mono text-sm"
        value={value}
        placeholder={props.placeholder}
        onChange={(event) => {
          onChange(event.target.value);
          setTyped(true);
          show(true);
        }}
        onKeyDown={onKeyDown}
        onClick={() => show(true)}
        onBlur={() => show(false)}
      />
      <button
        type="button"
        tabIndex={-1}
        aria-label="Show models"
        className="absolute inset-y-0 right-0 grid w-10 place-items-center text-soft"
        onMouseDown={(event) => event.preventDefault()}
        onClick={() => {
          setTyped(false);
          show(!open);
          input.current?.focus();
        }}
      >
        {props.loading ? (
          <LoaderCircle aria-hidden className="size-4 animate-spin" />
        ) : (
          <ChevronDown aria-hidden className="size-4" />
        )}
      </button>
      <div
        id={listId}
        role="listbox"
        aria-label="Models"
        hidden={!open}
        className="absolute inset-x-0 top-full z-30 mt-1 max-h-64 overflow-y-auto rounded-xl border border-line bg-surface p-1 shadow-float"
      >
        {shown.map((option, n) => (
          <div
            key={option.value}
            id={`${listId}-${n}`}
            role="option"
            tabIndex={-1}
            aria-selected={option.value === value}
            className={classes(
              "flex cursor-pointer items-baseline gap-2 rounded-lg px-3 py-2",
              n === active ? "bg-accent-wash" : "hover:bg-sunken",
            )}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => choose(option)}
            onKeyDown={() => undefined}
          >
            <span className="min-w-0 flex-1 font-mono text-sm">{option.value}</span>
            {option.note && <span className="text-[0.8125rem] text-soft">{option.note}</span>}
            {option.value === value && (
              <Check aria-hidden className="size-4 shrink-0 self-center text-accent" />
            )}
          </div>
        ))}
        {shown.length === 0 && (
          <p className="px-3 py-2 text-sm text-soft">
            {props.loading ? "Asking the server…" : props.emptyText}
          </p>
        )}
      </div>
    </div>
  );
}
