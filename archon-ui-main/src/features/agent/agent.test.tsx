import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { CONNECTIONS, errorBody } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { eventStream, server } from "@/testing/server";

const PASSAGE = { number: 1, chunk_id: 7, title: "Tasks", heading_path: [], text: "gather runs them." };
const CALL = { call_id: "c1", tool: "search_knowledge", asked_by: "model" };
const SENTENCE = { sentence: "It runs them [1].", start: 0, end: 17, kind: "cited", numbers: [1] };
const DONE = { outcome: "complete", supported: true, answer: "It runs them [1]." };

function answering() {
  const stream = eventStream();
  server.use(
    http.post("/api/agent-chat/sessions", () => HttpResponse.json({ session_id: "s1" })),
    http.post("/api/agent-chat/sessions/s1/stream", ({ request }) => stream.response(request.signal)),
    http.get("/api/agent-chat/sessions/s1/messages", () => HttpResponse.json([])),
  );
  return stream;
}

async function asked(question: string) {
  const opened = open("/agent");
  await opened.user.type(await screen.findByRole("textbox", { name: "Your question" }), `${question}{Enter}`);
  return opened;
}

describe("the agent", () => {
  test("shows each step while it works, and opens what it found", async () => {
    const stream = answering();
    const { user } = await asked("What runs them?");
    stream.send("way", { way: "tools", reason: null, message: "The model decides." });
    stream.send("tool", { ...CALL, state: "called", arguments: '{"query": "gather"}', passages: [] });
    const steps = await screen.findByRole("list", { name: "What the agent did" });
    expect(within(steps).getByText("gather")).toBeInTheDocument();
    stream.send("tool", { ...CALL, state: "answered", summary: "1 new passages", passages: [PASSAGE] });
    await user.click(await screen.findByRole("button", { name: "1 Tasks" }));
    expect(await screen.findByRole("dialog", { name: "Passage 1" })).toHaveTextContent("gather runs them.");
  });

  test("answers with marks that lead to passages", async () => {
    const stream = answering();
    await asked("What runs them?");
    stream.send("tool", { ...CALL, state: "answered", passages: [PASSAGE] });
    stream.send("token", { text: "It runs them [1]." });
    stream.send("citation", SENTENCE);
    expect(await screen.findByRole("button", { name: "Cited passage 1, Tasks" })).toBeInTheDocument();
  });

  test("says when it went without tools", async () => {
    server.use(
      http.get("/api/agent-chat/sessions/s2/messages", () =>
        HttpResponse.json([
          { id: "q", content: "Why?", sender: "user", timestamp: "2026-11-21T10:00:00Z" },
          {
            id: "a",
            content: "So.",
            sender: "agent",
            timestamp: "2026-11-21T10:00:01Z",
            outcome: "complete",
            way: "one_pass",
          },
        ]),
      ),
    );
    open("/agent/s2");
    expect(await screen.findByText(/Archon searched first/)).toBeInTheDocument();
  });

  test("tells a failure with its next step and keeps what came", async () => {
    const stream = answering();
    await asked("What runs them?");
    stream.send("token", { text: "It runs" });
    stream.send("error", errorBody({ error: "The server is gone.", next_step: "Start it." }));
    stream.send("done", { ...DONE, outcome: "truncated" });
    expect(await screen.findByRole("alert")).toHaveTextContent("Start it.");
    expect(screen.getByText("It runs")).toBeInTheDocument();
  });

  test("a failure in mid-run says which connection failed", async () => {
    server.use(http.get("/api/connections", () => HttpResponse.json(CONNECTIONS)));
    const stream = answering();
    await asked("What runs them?");
    stream.send("token", { text: "It runs" });
    stream.send("error", errorBody({ connection: "lab", model: "qwen" }));
    stream.send("done", { ...DONE, outcome: "upstream_error" });
    expect(await screen.findByRole("alert")).toHaveTextContent("Connection: Lab");
  });

  test("works with the connection that is picked", async () => {
    const bodies: unknown[] = [];
    server.use(
      http.get("/api/connections", () => HttpResponse.json(CONNECTIONS)),
      http.get("/api/connections/:id/models", () => HttpResponse.json({ models: [] })),
      http.post("/api/agent-chat/sessions", () => HttpResponse.json({ session_id: "s1" })),
      http.post("/api/agent-chat/sessions/s1/stream", async ({ request }) => {
        bodies.push(await request.json());
        return eventStream().response();
      }),
    );
    const { user } = open("/agent");
    await user.click(await screen.findByRole("button", { name: /^Model of the agent/ }));
    await user.selectOptions(await screen.findByRole("combobox", { name: "Connection" }), "Lab");
    await user.keyboard("{Escape}");
    await user.type(screen.getByRole("textbox", { name: "Your question" }), "Why?{Enter}");
    await waitFor(() => expect(bodies).toEqual([{ message: "Why?", connection_id: "lab", model: null }]));
  });

  test("after a reload keeps the connection of the last question, and says who answered", async () => {
    const bodies: unknown[] = [];
    const timestamp = "2026-11-21T10:00:00Z";
    const kept = [
      { id: "q", content: "Why?", sender: "user", timestamp, connection_id: "lab", model: "large" },
      {
        id: "a",
        content: "So.",
        sender: "agent",
        timestamp,
        outcome: "complete",
        way: "one_pass",
        reason: "step_limit",
        explanation: "It came to no end.",
      },
    ];
    const usage = {
      prompt_tokens: 9,
      completion_tokens: 12,
      first_token_ms: 250,
      total_ms: 900,
      tokens_per_s: null,
    };
    const answered = { connection_id: "lab", provider: "one", model: "large-v2", usage };
    server.use(
      http.get("/api/connections", () => HttpResponse.json(CONNECTIONS)),
      http.get("/api/agent-chat/sessions/s2/messages", () =>
        HttpResponse.json([kept[0], { ...kept[1], ...answered }]),
      ),
      http.post("/api/agent-chat/sessions/s2/stream", async ({ request }) => {
        bodies.push(await request.json());
        return eventStream().response();
      }),
    );
    const { user } = open("/agent/s2");
    expect(
      await screen.findByText("Lab · large-v2 · 12 tokens · first word after 250 ms"),
    ).toBeInTheDocument();
    expect(screen.getByText("It came to no end.")).toBeInTheDocument();
    expect(screen.getByRole("button", { name: /^Model of the agent/ })).toHaveTextContent("Lab · large");
    await user.type(screen.getByRole("textbox", { name: "Your question" }), "And?{Enter}");
    await waitFor(() => expect(bodies).toEqual([{ message: "And?", connection_id: "lab", model: "large" }]));
  });

  test("says that the connection of the last question was deleted", async () => {
    const timestamp = "2026-11-21T10:00:00Z";
    server.use(
      http.get("/api/connections", () => HttpResponse.json(CONNECTIONS)),
      http.get("/api/agent-chat/sessions/s2/messages", () =>
        HttpResponse.json([{ id: "q", content: "Why?", sender: "user", timestamp, connection_id: "gone" }]),
      ),
    );
    const { user } = open("/agent/s2");
    await user.click(await screen.findByRole("button", { name: /^Model of the agent/ }));
    const chosen = await screen.findByRole("combobox", { name: "Connection" });
    await waitFor(() => expect(chosen).toHaveDisplayValue("gone (deleted)"));
    expect(screen.getByText(/This connection was deleted/)).toBeInTheDocument();
  });

  test("that is stopped is found again at its address", async () => {
    const stream = answering();
    const { user, router } = await asked("What runs them?");
    stream.send("start", { session_id: "s1", message_id: "m1", provider: "one", model: "small" });
    stream.send("token", { text: "It runs" });
    await screen.findByText("It runs");
    await user.click(screen.getByRole("button", { name: "Stop" }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/agent/s1"));
    expect(screen.getByText("Stopped; what came is kept.")).toBeInTheDocument();
  });

  test("tells a stream that ends before the answer does", async () => {
    const stream = answering();
    await asked("What runs them?");
    stream.send("token", { text: "It runs" });
    stream.end();
    expect(await screen.findByRole("alert")).toHaveTextContent("ended before the answer did");
  });

  test("is one press away from the chat", async () => {
    open("/agent");
    const ways = await screen.findByRole("navigation", { name: "How to answer" });
    expect(within(ways).getByRole("link", { name: "Answer" })).toHaveAttribute("href", "/ask");
  });
});
