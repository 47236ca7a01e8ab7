import {
  Bot,
  CodeXml,
  Compass,
  Library,
  type LucideIcon,
  MessageCircleQuestionMark,
  Plug,
  Settings2,
  TextSearch,
  Waypoints,
} from "lucide-react";
import { useEffect, useRef } from "react";
import { Link, type Location, NavLink, Outlet, ScrollRestoration, useLocation } from "react-router";
import { MigrationNote } from "@/features/migrations";
import { useSettings } from "@/shared/api/settings";
import { classes } from "@/shared/lib/classes";
import { keepsFocus } from "@/shared/lib/focus";
import { Logo } from "@/shared/ui/Logo";
import { Toasts } from "@/shared/ui/toast";
import { HealthMenu } from "./HealthMenu";
import { ServerBanner } from "./ServerBanner";
import { ThemeToggle } from "./ThemeToggle";

interface Place {
  to: string;
  label: string;
  Icon: LucideIcon;
}

const PLACES: readonly Place[] = [
  { to: "/ask", label: "Ask", Icon: MessageCircleQuestionMark },
  { to: "/search", label: "Search", Icon: TextSearch },
  { to: "/knowledge", label: "Knowledge", Icon: Library },
  { to: "/gateway", label: "Gateway", Icon: Waypoints },
  { to: "/code", label: "Code", Icon: CodeXml },
  { to: "/connections", label: "Connections", Icon: Plug },
  { to: "/mcp", label: "Assistants", Icon: Bot },
  { to: "/settings", label: "Settings", Icon: Settings2 },
];
const START: Place = { to: "/onboarding", label: "Start", Icon: Compass };

/** What surrounds every page. */
export function Shell() {
  const main = useRef<HTMLElement>(null);
  const { data } = useSettings();
  const begun = data ? Object.values(data.first_run).every(Boolean) : true;
  const places = begun ? PLACES : [START, ...PLACES];
  useFocusOnNavigation(main);
  return (
    <div className="flex min-h-dvh flex-col pb-[3.75rem] sm:pb-0">
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
          <nav aria-label="Main" className="hidden min-w-0 gap-0.5 overflow-x-auto sm:flex">
            {places.map((place) => (
              <TopLink key={place.to} place={place} />
            ))}
          </nav>
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
      <nav
        aria-label="Main"
        className="fixed inset-x-0 bottom-0 z-30 flex h-[3.75rem] overflow-x-auto whitespace-nowrap border-t border-line bg-surface sm:hidden"
      >
        {places.map((place) => (
          <TabLink key={place.to} place={place} />
        ))}
      </nav>
      <Toasts />
      <ScrollRestoration getKey={placeOf} />
    </div>
  );
}

/** Every freshly loaded page has the same key, so those are told apart by their address. */
function placeOf({ key, pathname }: Location): string {
  return key === "default" ? pathname : key;
}

function TopLink({ place: { to, label } }: { place: Place }) {
  return (
    <NavLink
      to={to}
      className={({ isActive }) =>
        classes(
          "rounded-lg px-2.5 py-1.5 font-medium transition-colors",
          isActive ? "bg-accent-wash text-accent" : "text-soft hover:bg-sunken hover:text-ink",
        )
      }
    >
      {label}
    </NavLink>
  );
}

function TabLink({ place: { to, label, Icon } }: { place: Place }) {
  return (
    <NavLink
      to={to}
      className={({ isActive }) =>
        classes(
          "flex min-w-[4.75rem] flex-1 flex-col items-center justify-center gap-0.5 text-xs font-medium",
          isActive ? "text-accent" : "text-soft",
        )
      }
    >
      <Icon aria-hidden className="size-5" />
      {label}
    </NavLink>
  );
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
