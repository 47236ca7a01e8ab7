import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter } from "react-router";
import { z } from "zod";
import { App } from "./app/App";
import { routes } from "./app/routes";
import { followSystemTheme } from "./app/theme";
import { createQueryClient } from "./shared/api/query";
import "./styles.css";

// Compiled schemas need eval, which the page's security policy forbids.
z.config({ jitless: true });
followSystemTheme();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App client={createQueryClient()} router={createBrowserRouter(routes)} />
    </StrictMode>,
  );
}
