import { useEffect, useRef } from "react";
import { Link, type Location, Outlet, ScrollRestoration, useLocation } from "react-router";
import { MigrationNote } from "@/features/migrations";
import { useSettings } from "@/shared/api/settings";
import { keepsFocus } from "@/shared/lib/focus";
import { Logo } from "@/shared/ui/Logo";
import { Toasts } from "@/shared/ui/toast";
import { HealthMenu } from "./HealthMenu";
import { TabNavigation, TopNavigation } from "./Navigation";
import { placesFor } from "./places";
import { ServerBanner } from "./ServerBanner";
import { ThemeToggle } from "./ThemeToggle";

/** What surrounds every page. */
export function Shell() {
  const main = useRef<HTMLElement>(null);
  const { data } = useSettings();
  const begun = data ? Object.values(data.first_run).every(Boolean) : true;
  const places = placesFor(begun);
  useFocusOnNavigation(main);
  return (
    <div className="flex min-h-dvh flex-col pb-[3.75rem] md:pb-0">
      <a
        href="#main"
        className="sr-only rounded-lg bg-accent px-4 py-2 font-semibold text-accent-ink focus:not-sr-only focus:fixed focus:left-3 focus:top-3 focus:z-50 focus:px-4 focus:py-2"
      >
        Skip to the content
      </a>
      <header className="sticky top-0 z-30 border-b border-line bg-canvas/90 backdrop-blur">
        <div className="flex h-16 items-center gap-4 whitespace-nowrap px-4 sm:px-6">
          <Link to="/" aria-label="Archon, home" className="flex items-center gap-2.5 rounded-lg">
            <Logo />
            <span className="font-serif text-xl font-semibold tracking-[-0.01em]">Archon</span>
          </Link>
          <TopNavigation places={places} />
          <div className="ml-auto flex items-center gap-1">
            <HealthMenu />
            <ThemeToggle />
          </div>
        </div>
      </header>
      <ServerBanner />
      <MigrationNote />
      <main id="main" ref={main} tabIndex={-1} className="flex flex-1 flex-col outline-none">
        <Outlet />
      </main>
      <TabNavigation places={places} />
      <Toasts />
      <ScrollRestoration getKey={placeOf} />
    </div>
  );
}

/** Every freshly loaded page has the same key, so those are told apart by their address. */
function placeOf({ key, pathname }: Location): string {
  return key === "default" ? pathname : key;
}

/** A new page takes the focus, so that a screen reader begins there and Tab goes on from there. */
function useFocusOnNavigation(main: React.RefObject<HTMLElement | null>) {
  const { pathname, state } = useLocation();
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    if (!keepsFocus(state)) main.current?.focus({ preventScroll: true });
  }, [pathname, state, main]);
}
