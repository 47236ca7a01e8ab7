import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test, vi } from "vitest";
import { article, keeping, message, STORED } from "@/testing/conversation";
import { CONNECTIONS, errorBody, PASSAGES } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { eventStream, server } from "@/testing/server";

test("another answer is asked for, and the ways to the versions are there", async () => {
  const { asked, changes } = keeping();
  const { user } = open("/ask/c1");
  const shown = await article();
  expect(shown.getByRole("group", { name: "Versions of the answer" })).toHaveTextContent("2 of 2");
  await user.click(shown.getByRole("button", { name: "Earlier version of the answer" }));
  await waitFor(() => expect(changes).toEqual([{ message_id: "a1" }]));
  await user.click(shown.getByRole("button", { name: "Ask again" }));
  await waitFor(() => expect(asked).toMatchObject([{ message: "", conversation_id: "c1", answers: "u1" }]));
});

test("a version is shown in place of the answer that was just written", async () => {
  const { stream, asked } = keeping();
  const { user } = open("/ask/c1");
  const shown = await article();
  await user.click(shown.getByRole("button", { name: "Ask again" }));
  const start = {
    conversation_id: "c1",
    message_id: "a3",
    question_id: "u1",
    passages: [],
    knowledge: false,
  };
  stream.send("start", start);
  await waitFor(() => expect(asked).toHaveLength(1));
  const versions = ["a1", "a2", "a3"];
  const messages = [STORED.messages[0], message("a3", "u1", "assistant", "New words.", { versions })];
  keeping({ ...STORED, messages });
  server.use(
    http.put("/api/chat/conversations/c1/branch", () => {
      keeping({
        ...STORED,
        messages: [STORED.messages[0], message("a1", "u1", "assistant", "Old.", { versions })],
      });
      return HttpResponse.json({});
    }),
  );
  stream.send("done", { outcome: "complete", finish_reason: "stop", answer: "New words.", message_id: "a3" });
  stream.end();
  expect(await screen.findByText("New words.")).toBeInTheDocument();
  await user.click(
    await screen.findByRole("button", { name: "Earlier version of the answer" }, { timeout: 15_000 }),
  );
  expect(await screen.findByText("Old.")).toBeInTheDocument();
  expect(screen.queryByText("New words.")).not.toBeInTheDocument();
});

test("a stored answer says which connection and model gave it", async () => {
  const by = (connection_id: string, model: string) => ({ connection_id, provider: "one", model });
  const messages = [
    message("u1", null, "user", "Why?"),
    message("a1", "u1", "assistant", "So.", by("settings:llm", "small")),
    message("u2", "a1", "user", "And?"),
    message("a2", "u2", "assistant", "Thus.", by("gone", "large")),
  ];
  keeping({ ...STORED, messages });
  server.use(http.get("/api/connections", () => HttpResponse.json(CONNECTIONS)));
  open("/ask/c1");
  expect(await (await article()).findByText("First provider · small")).toBeInTheDocument();
  expect(await screen.findByText("gone · large")).toBeInTheDocument();
});

test("a question is edited beside the first", async () => {
  const { asked } = keeping();
  const { user } = open("/ask/c1");
  await user.click((await article()).getByRole("button", { name: "Edit the question" }));
  const box = screen.getByRole("textbox", { name: "The question in other words" });
  await user.clear(box);
  await user.type(box, "How?{Enter}");
  await waitFor(() => expect(asked).toMatchObject([{ message: "How?", conversation_id: "c1", edits: "u1" }]));
});

test("a follow-up names the answer it follows, and brings no settings of its own", async () => {
  const { asked } = keeping();
  const { user } = open("/ask/c1");
  await article();
  await user.type(screen.getByRole("textbox", { name: "Your question" }), "And?{Enter}");
  await waitFor(() =>
    expect(asked).toEqual([{ message: "And?", conversation_id: "c1", after: "a2", keep_s: 20 }]),
  );
});

test("an answer that is being written when the page is opened is watched", async () => {
  const stream = eventStream();
  const open_ = message("a1", "u1", "assistant", "Be", { outcome: null });
  keeping({ ...STORED, messages: [STORED.messages[0], open_] });
  server.use(http.get("/api/chat/answers/a1/events", () => stream.response()));
  open("/ask/c1");
  const start = {
    conversation_id: "c1",
    message_id: "a1",
    question_id: "u1",
    passages: [],
    knowledge: false,
  };
  stream.send("start", start);
  stream.send("token", { text: "Because it " });
  expect(await screen.findByText(/Because it/)).toBeInTheDocument();
  stream.send("token", { text: "must." });
  expect(await screen.findByText("Because it must.")).toBeInTheDocument();
  expect(screen.getByRole("button", { name: "Stop" })).toBeInTheDocument();
});

test("what the model reasoned is folded", async () => {
  keeping();
  open("/ask/c1");
  const reasoning = (await article()).getByText("Hm.");
  expect(reasoning.closest("details")).not.toHaveAttribute("open");
});

test("settings keep to the limits of the model and its connection and are saved together", async () => {
  const { changes } = keeping();
  const { user } = open("/ask/c1");
  await article();
  await user.click(screen.getByRole("button", { name: /^Settings of this conversation/ }));
  const form = within(await screen.findByRole("form", { name: "Settings of this conversation" }));
  await form.findByText(/2,048 tokens in all/);
  expect(form.getByText("Tokens, up to 512")).toBeInTheDocument();
  await user.type(form.getByLabelText("Longest answer"), "513");
  await user.click(form.getByRole("button", { name: "Use these" }));
  expect(form.getByText(/must lie between 1 and 512/)).toBeInTheDocument();
  await user.clear(form.getByLabelText("Longest answer"));
  await user.type(form.getByLabelText("Temperature"), "0.7");
  await user.click(form.getByRole("button", { name: "Use these" }));
  await waitFor(() =>
    expect(changes).toEqual([{ settings: { ...STORED.settings, temperature: 0.7, max_tokens: null } }]),
  );
});

test("pages are attached to the conversation", async () => {
  const { changes } = keeping();
  const page = { page_id: "p1", title: "Tasks", url: "https://docs.example.org/tasks", source_id: "py" };
  server.use(http.get("/api/chat/pages", () => HttpResponse.json({ pages: [page] })));
  const { user } = open("/ask/c1");
  await article();
  await user.click(screen.getByRole("button", { name: "Attach" }));
  await user.click(await screen.findByRole("button", { name: "Attach Tasks" }));
  await waitFor(() => expect(changes).toEqual([{ settings: { ...STORED.settings, pages: ["p1"] } }]));
});

test("what is attached is listed with what became of it, and can be taken away", async () => {
  const settings = { ...STORED.settings, pages: ["p1", "p2"], pinned_sources: ["py"] };
  const messages = [
    STORED.messages[0],
    message("a1", "u1", "assistant", "So.", { notes: { left_out: { passages: 2, attachments: 1 } } }),
  ];
  const { changes } = keeping({ ...STORED, settings, messages });
  let asked = "";
  server.use(
    http.get("/api/chat/pages", () => HttpResponse.json({ pages: [] })),
    http.get("/api/chat/attached", ({ request }) => {
      asked = new URL(request.url).search;
      return HttpResponse.json({
        attached: [
          {
            kind: "page",
            id: "p1",
            title: "Tasks",
            url: "https://a.example/t",
            source_id: "py",
            passages: 3,
          },
          { kind: "source", id: "py", title: "Python", url: null, source_id: "py", passages: 0 },
        ],
      });
    }),
  );
  const { user } = open("/ask/c1");
  const shown = await article();
  expect(shown.getByText(/No room in the model's context for 2 passages/)).toHaveTextContent(
    "Attached, but not stored any more: 1 page or source.",
  );
  await user.click(screen.getByRole("button", { name: "3 attachments" }));
  const list = within(await screen.findByRole("region", { name: "Attached" }));
  expect(list.getAllByRole("listitem").map((item) => item.textContent)).toEqual([
    "Tasks3 passages",
    "Not stored any moreIt was deleted, and goes into no answer. (p2)",
    "PythonWhole source",
  ]);
  expect(asked).toBe("?page=p1&page=p2&source=py");
  await user.click(list.getByRole("button", { name: "Take away Not stored any more" }));
  await waitFor(() => expect(changes).toEqual([{ settings: { ...settings, pages: ["p1"] } }]));
  expect(screen.getByRole("searchbox", { name: "Find a page or a source" })).toHaveFocus();
});

test("a long conversation shows what came before when asked", async () => {
  keeping();
  server.use(
    http.get("/api/chat/conversations/c1", ({ request }) =>
      HttpResponse.json(
        new URL(request.url).searchParams.get("before") === "u1"
          ? {
              ...STORED,
              messages: [message("u0", null, "user", "First?"), message("a0", "u0", "assistant", "Yes.")],
            }
          : { ...STORED, earlier: true },
      ),
    ),
  );
  const { user } = open("/ask/c1");
  await user.click(await screen.findByRole("button", { name: "Show what came before" }));
  expect(await screen.findByRole("article", { name: "Answer to: First?" })).toBeInTheDocument();
  expect(screen.queryByRole("button", { name: "Show what came before" })).not.toBeInTheDocument();
});

test("past questions are searched, and a hit shows where the words stand", async () => {
  keeping();
  const hit = { id: "c9", title: "Bread", message_count: 2, snippet: "the oven is hot" };
  server.use(
    http.get("/api/chat/conversations", ({ request }) =>
      HttpResponse.json({ conversations: new URL(request.url).searchParams.get("search") ? [hit] : [] }),
    ),
  );
  const { user } = open("/ask");
  await user.type(await screen.findByRole("searchbox", { name: "Search past questions" }), "oven");
  expect(await screen.findByRole("link", { name: /Bread.*the oven is hot/ })).toBeInTheDocument();
});

test("a deleted connection is named, and the question refused says what to do", async () => {
  keeping({ ...STORED, settings: { ...STORED.settings, connection_id: "gone" } });
  const detail = errorBody({ error: "There is no connection gone.", next_step: "Choose another one." });
  server.use(http.post("/api/chat", () => HttpResponse.json({ detail }, { status: 404 })));
  const { user } = open("/ask/c1");
  await article();
  expect(await screen.findByText("Deleted connection")).toBeInTheDocument();
  await user.type(screen.getByRole("textbox", { name: "Your question" }), "And?{Enter}");
  expect(await screen.findByRole("alert")).toHaveTextContent("Choose another one.");
});

test("the keys are listed", async () => {
  keeping();
  const { user } = open("/ask/c1");
  await article();
  await user.click(screen.getByRole("button", { name: "Keyboard shortcuts" }));
  expect(await screen.findByRole("dialog", { name: "Keyboard" })).toHaveTextContent(
    "Alt + RAnswer the last question again",
  );
});

test("code can be copied, mathematics is drawn, and markers are kept", async () => {
  const text = "So \\(x^2\\) [1].\n\n```py\nx = 1\n```";
  const support = [
    { sentence: "So \\(x^2\\) [1].", start: 0, end: 15, kind: "cited", numbers: [1], similarity: null },
  ];
  const answer = message("a1", "u1", "assistant", text, { passages: PASSAGES, support });
  keeping({ ...STORED, messages: [STORED.messages[0], answer] });
  open("/ask/c1");
  const shown = await article();
  expect(await shown.findByRole("button", { name: "Copy this code" })).toBeInTheDocument();
  expect(shown.getByRole("button", { name: "Cited passage 1, Tasks" })).toBeInTheDocument();
  await waitFor(() => expect(document.querySelector(".katex")).not.toBeNull());
});

test("a conversation is saved under its own name, and a failed export is told", async () => {
  keeping();
  const saved: string[] = [];
  URL.createObjectURL = () => "blob:x";
  URL.revokeObjectURL = () => {};
  const click = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: unknown) {
    saved.push((this as HTMLAnchorElement).download);
  });
  const named = "attachment; filename=\"conversation.md\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.md";
  server.use(
    http.get("/api/chat/conversations/c1/export", ({ request }) =>
      new URL(request.url).searchParams.get("format") === "markdown"
        ? new HttpResponse("# Größe", { headers: { "Content-Disposition": named } })
        : HttpResponse.json({ detail: errorBody({ error: "The database is gone." }) }, { status: 503 }),
    ),
  );
  const { user } = open("/ask/c1");
  await user.click(await screen.findByRole("button", { name: "Export" }));
  await user.click(screen.getByRole("button", { name: "Markdown, as it is shown" }));
  await waitFor(() => expect(saved).toEqual(["größe.md"]));
  await user.click(screen.getByRole("button", { name: "Export" }));
  await user.click(screen.getByRole("button", { name: "JSON, with all versions" }));
  expect(await screen.findByText("Not exported: The database is gone.")).toBeInTheDocument();
  click.mockRestore();
});
