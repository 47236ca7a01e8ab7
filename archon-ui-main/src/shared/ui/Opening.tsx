import { Logo } from "@/shared/ui/Logo";

/** While the first page is on its way. */
export function Opening() {
  return (
    <div role="status" aria-label="Opening Archon" className="grid min-h-dvh place-items-center">
      <Logo className="size-14 animate-pulse" />
    </div>
  );
}
