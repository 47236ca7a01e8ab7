import {
  Activity,
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

export interface Place {
  to: string;
  label: string;
  Icon: LucideIcon;
  /** Where one still is there: "/agent" belongs to "/ask". */
  also?: readonly string[];
}

const START: Place = { to: "/onboarding", label: "Start", Icon: Compass };
const DAILY: readonly Place[] = [
  { to: "/ask", label: "Ask", Icon: MessageCircleQuestionMark, also: ["/agent"] },
  { to: "/search", label: "Search", Icon: TextSearch },
  { to: "/knowledge", label: "Knowledge", Icon: Library, also: ["/history", "/sources", "/pages"] },
  { to: "/code", label: "Code", Icon: CodeXml },
];
const RUNNING: readonly Place[] = [
  { to: "/connections", label: "Connections", Icon: Plug },
  { to: "/gateway", label: "Gateway", Icon: Waypoints },
  { to: "/mcp", label: "Assistants", Icon: Bot },
  { to: "/status", label: "Status", Icon: Activity },
  { to: "/settings", label: "Settings", Icon: Settings2 },
];
/** What fits side by side on a phone, beside the menu with the rest. */
const TABS = 4;

export interface Places {
  /** What one comes for. */
  daily: readonly Place[];
  /** What keeps it running. */
  running: readonly Place[];
  tabs: readonly Place[];
  /** What is behind "More" where only the tabs fit. */
  more: readonly Place[];
}

/** Whether an address belongs to a place. */
export function isIn({ to, also = [] }: Place, pathname: string): boolean {
  return [to, ...also].some((path) => pathname === path || pathname.startsWith(`${path}/`));
}

/** Where one can go; the guide stands first until everything in it was done. */
export function placesFor(begun: boolean): Places {
  const daily = begun ? DAILY : [START, ...DAILY];
  return {
    daily,
    running: RUNNING,
    tabs: daily.slice(0, TABS),
    more: [...daily.slice(TABS), ...RUNNING],
  };
}
