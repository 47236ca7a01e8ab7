// Runs before the first paint, so that a chosen theme never flashes the other one.
(() => {
  let chosen = "system";
  try {
    chosen = localStorage.getItem("archon.theme") || "system";
  } catch {
    // Storage may be blocked; the system's theme is the answer then.
  }
  const dark =
    chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
