import type { RouteObject } from "react-router";
import { SessionGate } from "@/features/access";
import { AskPage } from "@/features/ask";
import { GuidePage, Home } from "@/features/guide";
import { KnowledgePage, PageReader, SourcePage } from "@/features/knowledge";
import { Broken, NotFound } from "./Broken";
import { SettingsPage } from "./SettingsPage";
import { Shell } from "./Shell";

export const routes: RouteObject[] = [
  {
    element: (
      <SessionGate>
        <Shell />
      </SessionGate>
    ),
    errorElement: <Broken />,
    children: [
      { index: true, element: <Home /> },
      { path: "onboarding", element: <GuidePage /> },
      { path: "ask/:id?", element: <AskPage /> },
      { path: "knowledge", element: <KnowledgePage /> },
      { path: "sources/:id", element: <SourcePage /> },
      { path: "pages/:id", element: <PageReader /> },
      { path: "settings", element: <SettingsPage /> },
      { path: "*", element: <NotFound /> },
    ],
  },
];
