import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test, vi } from "vitest";
import { errorBody } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { server } from "@/testing/server";
import { ASSISTANTS } from "./assistants";

const URL_HERE = "http://localhost:8051/mcp";
const CONFIG = {
  url: URL_HERE,
  host: "localhost",
  port: 8051,
  transport: "streamable-http",
  token_required: false,
};
const TOOLS = [{ name: "rag_search_knowledge_base", description: "Search." }];

function running(changes: Partial<typeof CONFIG> = {}) {
  const client = { name: "claude-code", version: "2.1", last_seen: "2026-11-21T10:00:00Z", requests: 3 };
  server.use(
    http.get("/api/mcp/status", () => HttpResponse.json({ status: "running", uptime: 5, logs: [] })),
    http.get("/api/mcp/config", () => HttpResponse.json({ ...CONFIG, ...changes })),
    http.get("/api/mcp/clients", () => HttpResponse.json({ clients: [client], total: 1 })),
  );
}

function trial(body: object) {
  server.use(
    http.post("/api/mcp/test", () => HttpResponse.json({ url: URL_HERE, steps: [], tools: [], ...body })),
  );
}

describe("the lines for an assistant", () => {
  test("can be copied as they stand", async () => {
    running();
    const { user } = open("/mcp");
    const copied = vi.spyOn(navigator.clipboard, "writeText");
    await user.click(await screen.findByRole("button", { name: "Copy: In a terminal" }));
    expect(copied).toHaveBeenCalledWith(`claude mcp add --transport http --scope user archon ${URL_HERE}`);
    expect(screen.getByText("Copied")).toBeInTheDocument();
  });

  test("are there for each of them, with the key that it wants", async () => {
    running();
    const { user } = open("/mcp");
    await user.click(await screen.findByRole("tab", { name: "Windsurf" }));
    expect(screen.getByText(/"serverUrl": "http:\/\/localhost:8051\/mcp"/)).toBeInTheDocument();
    await user.click(screen.getByRole("tab", { name: "Codex" }));
    expect(screen.getByText(/\[mcp_servers.archon\]/)).toBeInTheDocument();
    await user.click(screen.getByRole("tab", { name: "Cline" }));
    expect(screen.getByText(/"type": "streamableHttp"/)).toBeInTheDocument();
    expect(screen.getAllByRole("tab").map((tab) => tab.textContent)).toEqual([
      ...["Claude Code", "Claude Desktop", "Cursor", "VS Code", "Windsurf", "Gemini CLI", "Codex"],
      ...["Cline", "Kiro", "Other"],
    ]);
  });

  test("carry a place for the token where the server wants one, and never a token", () => {
    for (const { setups } of ASSISTANTS) {
      const texts = setups("http://archon.example.org:8051/mcp", true).map(({ text }) => text);
      expect(texts.join("\n")).toMatch(/YOUR_ARCHON_TOKEN|ARCHON_TOKEN|archon-token/);
    }
    const open = ASSISTANTS.flatMap(({ setups }) => setups(URL_HERE, false)).map(({ text }) => text);
    expect(open.join("\n")).not.toMatch(/token|Bearer/i);
  });

  test("in JSON are valid JSON", () => {
    const texts = ASSISTANTS.flatMap(({ setups }) => setups(URL_HERE, true)).map(({ text }) => text);
    const json = texts.filter((text) => text.startsWith("{"));
    expect(json.map((text) => typeof JSON.parse(text))).toEqual(json.map(() => "object"));
    expect(json.length).toBeGreaterThan(4);
  });
});

describe("the test of the connection", () => {
  test("shows its steps and the tools", async () => {
    running();
    trial({ ok: true, steps: [{ step: "list_tools", ok: true, detail: "", took_ms: 12 }], tools: TOOLS });
    const { user } = open("/mcp");
    await user.click(await screen.findByRole("button", { name: "Test the connection" }));
    expect(await screen.findByText("Assistants can use Archon.")).toBeInTheDocument();
    const steps = screen.getByRole("list", { name: "Steps of the test" });
    expect(
      within(steps)
        .getByText(/list_tools/)
        .closest("li"),
    ).toHaveTextContent("passed");
  });

  test("says what to do where it fails", async () => {
    running();
    const error = errorBody({ error: "Nobody answers.", next_step: "Start it." });
    trial({ ok: false, error, steps: [{ step: "connect", ok: false, detail: "", took_ms: 3 }] });
    const { user } = open("/mcp");
    await user.click(await screen.findByRole("button", { name: "Test the connection" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("Start it.");
  });
});

describe("the state", () => {
  test("tells who called", async () => {
    running();
    open("/mcp");
    expect((await screen.findByText(/claude-code/)).closest("li")).toHaveTextContent("3 requests");
  });

  test("of a server that does not run is said with what to do", async () => {
    running();
    const stopped = { status: "stopped", message: "It does not answer.", next_step: "Run archon mcp." };
    server.use(http.get("/api/mcp/status", () => HttpResponse.json(stopped)));
    open("/mcp");
    expect(await screen.findByText("Run archon mcp.")).toBeInTheDocument();
    expect(screen.getByText("Not running")).toBeInTheDocument();
  });
});
