import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { errorBody, PASSAGES, SETTINGS } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { eventStream, server } from "@/testing/server";
import { DEFAULT_SETTINGS } from "./api/schemas";

const TEXT = "Use `gather` [1]. A group waits. Bananas fly.";
const START = {
  conversation_id: "c1",
  message_id: "m1",
  provider: "alpha",
  model: "tiny-chat",
  passages: PASSAGES,
};
const KEEP_S = 20;
const DONE = { outcome: "complete", finish_reason: "stop", supported: true, answer: TEXT, message_id: "m1" };
const CITATIONS = [
  { sentence: "Use `gather` [1].", start: 0, end: 17, kind: "cited", numbers: [1], similarity: 0.8 },
  { sentence: "A group waits.", start: 18, end: 32, kind: "similar", numbers: [2], similarity: 0.7 },
  { sentence: "Bananas fly.", start: 33, end: 45, kind: "none", numbers: [], similarity: 0.1 },
];
const NOT_FOUND = { detail: errorBody({ error: "No such conversation.", code: "not_found" }) };

const SETTINGS_SENT = DEFAULT_SETTINGS;

/** A server that answers one question, as the test says. */
function answering() {
  const stream = eventStream();
  const asked: unknown[] = [];
  const signals: AbortSignal[] = [];
  server.use(
    http.post("/api/chat", async ({ request }) => {
      signals.push(request.signal);
      asked.push(await request.json());
      return asked.length === 1 ? stream.response() : eventStream().response();
    }),
    http.get("/api/chat/conversations/:id", () => HttpResponse.json(NOT_FOUND, { status: 404 })),
  );
  return { stream, asked, signals };
}

async function askQuestion(question = "How?") {
  const opened = open("/ask");
  await opened.user.type(await screen.findByRole("textbox", { name: "Your question" }), `${question}{Enter}`);
  return opened;
}

const answer = () => screen.findByRole("article", { name: "Answer to: How?" });

describe("an answer", () => {
  test("is shown as it is written, and its conversation gets an address", async () => {
    const { stream, asked } = answering();
    const { router } = await askQuestion();
    stream.send("start", START);
    stream.send("token", { text: "Use " });
    expect(await screen.findByText("Use")).toBeInTheDocument();
    stream.send("token", { text: "gather." });
    expect(await screen.findByText("Use gather.")).toBeInTheDocument();
    expect(router.state.location.pathname).toBe("/ask/c1");
    expect(asked).toEqual([
      { message: "How?", conversation_id: null, settings: SETTINGS_SENT, keep_s: KEEP_S },
    ]);
  });

  test("tells the three kinds of sentences apart in words, not by colour alone", async () => {
    const { stream } = answering();
    await askQuestion();
    stream.send("start", START);
    for (const citation of CITATIONS) stream.send("citation", citation);
    stream.send("done", DONE);
    const article = within(await answer());
    expect(await article.findByRole("button", { name: "Cited passage 1, Tasks" })).toHaveTextContent("1");
    const similar = article.getByRole("button", {
      name: "Similar passage 2, Groups, not cited by the model",
    });
    expect(similar).toHaveTextContent("≈ 2");
    expect(article.getByRole("img", { name: "No support found for this sentence" })).toHaveTextContent("?");
    const legend = within(article.getByRole("list", { name: "Support of the answer" }));
    expect(legend.getAllByRole("listitem").map((item) => item.textContent)).toEqual([
      "11 sentence cited",
      "≈ 21 sentence with a similar passage, not cited by the model",
      "?no support found for 1 sentence",
    ]);
  });

  test("opens the passage behind a mark, with the ways to its page and source", async () => {
    const { stream } = answering();
    const { user } = await askQuestion();
    stream.send("start", START);
    for (const citation of CITATIONS) stream.send("citation", citation);
    stream.send("done", DONE);
    await user.click(await screen.findByRole("button", { name: "Cited passage 1, Tasks" }));
    const panel = within(await screen.findByRole("dialog", { name: "Passage 1" }));
    expect(panel.getByRole("region", { name: "Text of the passage" })).toHaveTextContent(
      "gather runs awaitables",
    );
    expect(panel.getByText("Tasks › Running")).toBeInTheDocument();
    expect(panel.getByRole("link", { name: "Read it on its page" })).toHaveAttribute(
      "href",
      "/pages/p1?chunk=11",
    );
    const original = panel.getByRole("link", { name: /Original/ });
    expect(original).toHaveAttribute("rel", "noopener noreferrer");
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.getByRole("button", { name: "Cited passage 1, Tasks" })).toHaveFocus());
  });

  test("without any support says so above itself", async () => {
    const { stream } = answering();
    await askQuestion();
    stream.send("start", START);
    stream.send("citation", { ...CITATIONS[2], start: 0, end: 12 });
    stream.send("done", { ...DONE, supported: false, answer: "Bananas fly." });
    const banner = await screen.findByRole("alert");
    expect(banner).toHaveTextContent("Nothing in this answer has support in your knowledge.");
    const text = screen.getByText("Bananas fly.");
    expect(banner.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING).toBeTruthy();
  });

  test("is stopped by asking the server, and marked as stopped", async () => {
    const { stream } = answering();
    server.use(
      http.post("/api/chat/answers/m1/stop", () => {
        stream.send("done", { ...DONE, outcome: "cancelled", finish_reason: null, answer: "Use " });
        return HttpResponse.json({ stopped: true });
      }),
    );
    const { user } = await askQuestion();
    stream.send("start", START);
    stream.send("token", { text: "Use " });
    await screen.findByText("Use");
    await user.click(screen.getByRole("button", { name: "Stop" }));
    expect(await screen.findByText("Stopped here, before the answer was whole.")).toBeInTheDocument();
  });

  test("is stopped by leaving, before it has begun", async () => {
    const { signals } = answering();
    const { user } = await askQuestion();
    await user.click(await screen.findByRole("button", { name: "Stop" }));
    expect(await screen.findByText("Stopped before the answer began.")).toBeInTheDocument();
    expect(signals[0]?.aborted).toBe(true);
  });

  test("that was cut off gives the reason and can be continued", async () => {
    const { stream, asked } = answering();
    const { user } = await askQuestion();
    stream.send("start", START);
    stream.send("token", { text: "Use " });
    stream.send("error", errorBody({ error: "The model's server went away." }));
    stream.send("done", { ...DONE, outcome: "truncated", answer: "Use ", finish_reason: null });
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("The answer was cut off.The model's server went away.");
    await user.click(within(alert).getByRole("button", { name: "Continue" }));
    await waitFor(() => expect(asked).toHaveLength(2));
    expect(asked[1]).toEqual({ message: "", conversation_id: "c1", continues: "m1", keep_s: KEEP_S });
  });

  test("whose stream ends without its last event is taken up again, and never taken for whole", async () => {
    const { stream } = answering();
    const again = eventStream();
    server.use(http.get("/api/chat/answers/m1/events", () => again.response()));
    await askQuestion();
    stream.send("start", START);
    stream.send("token", { text: "Use " });
    stream.end();
    again.send("start", START);
    again.send("token", { text: "Use it" });
    expect(await screen.findByText("Use it")).toBeInTheDocument();
    again.end();
    server.use(http.get("/api/chat/answers/m1/events", () => HttpResponse.json(NOT_FOUND, { status: 404 })));
    expect(await screen.findByText("No such conversation.")).toBeInTheDocument();
  });

  test("that was refused before it began shows the typed error", async () => {
    server.use(http.post("/api/chat", () => HttpResponse.json({ detail: errorBody() }, { status: 502 })));
    await askQuestion();
    expect(await screen.findByRole("alert")).toHaveTextContent("Next step: Check the port.");
  });

  test("says why no passage was found", async () => {
    const { stream } = answering();
    await askQuestion();
    stream.send("start", { ...START, passages: [], reason: "other_space" });
    expect(await screen.findByText(/embedded with another model/)).toBeInTheDocument();
  });

  test("runs no markup, loads no image and sends no referrer", async () => {
    const { stream } = answering();
    await askQuestion();
    stream.send("start", START);
    const text =
      "<img src=x onerror=alert(1)> ![a](https://e.example/a.png?q=secret) [here](https://e.example/) [x](javascript:alert)";
    stream.send("token", { text });
    const article = within(await answer());
    const link = await article.findByRole("link", { name: /^here.*e\.example/ });
    expect(link).toHaveAttribute("rel", "noopener noreferrer nofollow");
    expect(article.getByRole("link", { name: /^Image: a/ })).toHaveAttribute(
      "href",
      "https://e.example/a.png?q=secret",
    );
    expect(article.getAllByRole("link")).toHaveLength(2);
    expect(article.queryByRole("img")).not.toBeInTheDocument();
  });
});

describe("the composer", () => {
  test("sends with Enter and begins a new line with Shift+Enter", async () => {
    const { asked } = answering();
    const { user } = open("/ask");
    await user.type(
      await screen.findByRole("textbox", { name: "Your question" }),
      "a{Shift>}{Enter}{/Shift}b{Enter}",
    );
    await waitFor(() => expect(asked).toMatchObject([{ message: "a\nb", conversation_id: null }]));
  });

  test("looks only in the sources that are chosen", async () => {
    const { asked } = answering();
    const { user } = open("/ask");
    await user.click(await screen.findByRole("button", { name: "All sources" }));
    await user.click(await screen.findByRole("checkbox", { name: "Python reference" }));
    await user.keyboard("{Escape}");
    await user.type(screen.getByRole("textbox", { name: "Your question" }), "q{Enter}");
    await waitFor(() => expect(asked).toMatchObject([{ message: "q", settings: { source_ids: ["py"] } }]));
  });

  test("says when no model is there to answer", async () => {
    const llm = { ...SETTINGS.services.llm, ready: false, problem: errorBody() };
    const settings = { ...SETTINGS, services: { ...SETTINGS.services, llm } };
    server.use(http.get("/api/settings", () => HttpResponse.json(settings)));
    open("/ask");
    expect(await screen.findByText("Questions cannot be answered yet.")).toBeInTheDocument();
  });
});

describe("past questions", () => {
  const stored = (id: string, role: string, content: string, rest: object) => ({
    id,
    role,
    content,
    ...rest,
  });
  const CONVERSATION = {
    id: "c1",
    title: "How?",
    messages: [
      stored("u1", "user", "How?", { outcome: null }),
      stored("m1", "assistant", TEXT, { outcome: "complete", passages: PASSAGES, support: CITATIONS }),
    ],
  };
  const listed = { id: "c1", title: "How?", created_at: null, updated_at: null, message_count: 2 };

  test("are opened by their address, with their support", async () => {
    server.use(http.get("/api/chat/conversations/c1", () => HttpResponse.json(CONVERSATION)));
    open("/ask/c1");
    const article = within(await answer());
    expect(article.getByRole("button", { name: "Cited passage 1, Tasks" })).toBeInTheDocument();
  });

  test("are listed, and deleted after a question", async () => {
    let conversations = [listed];
    server.use(
      http.get("/api/chat/conversations", () => HttpResponse.json({ conversations })),
      http.delete("/api/chat/conversations/c1", () => {
        conversations = [];
        return HttpResponse.json({ success: true });
      }),
    );
    const { user } = open("/ask");
    await user.click(await screen.findByRole("button", { name: "Delete “How?”" }));
    await user.click(await screen.findByRole("button", { name: "Delete" }));
    await waitFor(() => expect(screen.queryByRole("link", { name: /How\?/ })).not.toBeInTheDocument());
  });

  test("that are gone say so", async () => {
    server.use(http.get("/api/chat/conversations/c1", () => HttpResponse.json(NOT_FOUND, { status: 404 })));
    open("/ask/c1");
    expect(await screen.findByRole("alert")).toHaveTextContent("No such conversation.");
  });
});
