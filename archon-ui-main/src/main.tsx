import "./shared/api/noEval";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter } from "react-router";
import { App } from "./app/App";
import { routes } from "./app/routes";
import { followSystemTheme } from "./app/theme";
import { createQueryClient } from "./shared/api/query";
import "./styles.css";

followSystemTheme();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App client={createQueryClient()} router={createBrowserRouter(routes)} />
    </StrictMode>,
  );
}
