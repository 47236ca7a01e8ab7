import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = "http://127.0.0.1:8181";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { host: "127.0.0.1", port: 5173, proxy: { "/api": server, "/health": server, "/v1": server } },
  // No inlined assets: a strict content security policy can then forbid data: addresses.
  build: {
    outDir: "dist",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      output: {
        // One chunk, which every chunk with a schema waits for: what forbids zod to try eval comes before all of them.
        codeSplitting: { groups: [{ name: "zod", test: /node_modules\/zod\/|shared\/api\/noEval/ }] },
      },
    },
  },
  test: {
    environment: "jsdom",
    environmentOptions: { jsdom: { url: "http://archon.test/" } },
    setupFiles: ["src/testing/setup.ts"],
    css: false,
    restoreMocks: true,
    testTimeout: 60_000,
    // As for the server's tests: once more, since a busy machine can be late; the report says which needed it.
    retry: 1,
  },
});
