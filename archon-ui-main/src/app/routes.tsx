import type { RouteObject } from "react-router";
import { SessionGate } from "@/features/access";
import { GuidePage, Home } from "@/features/guide";
import { Opening } from "@/shared/ui/Opening";
import { Broken, NotFound } from "./Broken";
import { Shell } from "./Shell";

export const routes: RouteObject[] = [
  {
    element: (
      <SessionGate>
        <Shell />
      </SessionGate>
    ),
    errorElement: <Broken />,
    HydrateFallback: Opening,
    children: [
      { index: true, element: <Home /> },
      { path: "onboarding", element: <GuidePage /> },
      {
        path: "ask/:id?",
        lazy: async () => ({ Component: (await import("@/features/ask")).AskPage }),
      },
      {
        path: "search",
        lazy: async () => ({ Component: (await import("@/features/search")).SearchPage }),
      },
      {
        path: "knowledge",
        lazy: async () => ({
          Component: (await import("@/features/knowledge/components/KnowledgePage")).KnowledgePage,
        }),
      },
      {
        path: "history",
        lazy: async () => ({
          Component: (await import("@/features/knowledge/components/JobsPage")).JobsPage,
        }),
      },
      {
        path: "sources/:id",
        lazy: async () => ({
          Component: (await import("@/features/knowledge/components/SourcePage")).SourcePage,
        }),
      },
      {
        path: "pages/:id",
        lazy: async () => ({
          Component: (await import("@/features/knowledge/components/PageReader")).PageReader,
        }),
      },
      {
        path: "gateway",
        lazy: async () => ({ Component: (await import("@/features/gateway")).GatewayPage }),
      },
      {
        path: "status",
        lazy: async () => ({ Component: (await import("@/features/status")).StatusPage }),
      },
      {
        path: "code",
        lazy: async () => ({
          Component: (await import("@/features/codehelp/components/CodeHelpPage")).CodeHelpPage,
        }),
      },
      {
        path: "connections",
        lazy: async () => ({
          Component: (await import("@/features/connections/components/ConnectionsPage")).ConnectionsPage,
        }),
      },
      {
        path: "agent/:id?",
        lazy: async () => ({ Component: (await import("@/features/agent")).AgentPage }),
      },
      { path: "mcp", lazy: async () => ({ Component: (await import("@/features/mcp")).McpPage }) },
      { path: "settings", lazy: async () => ({ Component: (await import("./SettingsPage")).SettingsPage }) },
      { path: "*", element: <NotFound /> },
    ],
  },
];
