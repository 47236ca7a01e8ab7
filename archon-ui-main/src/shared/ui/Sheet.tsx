import * as Radix from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import { type ReactNode, useRef } from "react";
import { classes } from "@/shared/lib/classes";
import { IconButton } from "./Button";

interface SheetProps {
  open: boolean;
  onClose: () => void;
  title: string;
  side?: "left" | "right";
  /** A companion leaves the page usable beside it. */
  companion?: boolean;
  children: ReactNode;
}

/** A panel at the edge of the window. */
export function Sheet({ open, onClose, title, side = "right", companion = false, children }: SheetProps) {
  const opener = useRef<Element | null>(null);
  const goBack = (event: Event) => {
    event.preventDefault();
    if (opener.current instanceof HTMLElement) opener.current.focus();
  };
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()} modal={!companion}>
      <Radix.Portal>
        {!companion && <Radix.Overlay className="fixed inset-0 z-40 bg-shade" />}
        <Radix.Content
          aria-describedby={undefined}
          onOpenAutoFocus={() => {
            opener.current = document.activeElement;
          }}
          onCloseAutoFocus={goBack}
          onInteractOutside={companion ? (event) => event.preventDefault() : undefined}
          className={classes(
            "fixed inset-y-0 z-50 flex w-full max-w-[27rem] flex-col border-line bg-surface shadow-float",
            side === "right" ? "right-0 animate-slide-in border-l" : "left-0 animate-rise border-r",
          )}
        >
          <div className="flex items-center justify-between gap-3 border-b border-line px-5 py-3">
            <Radix.Title className="font-serif text-lg font-semibold">{title}</Radix.Title>
            <Radix.Close asChild>
              <IconButton label="Close">
                <X aria-hidden className="size-5" />
              </IconButton>
            </Radix.Close>
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto p-5">{children}</div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
