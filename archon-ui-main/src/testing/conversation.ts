import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { DEFAULT_SETTINGS } from "@/features/ask/api/schemas";
import { eventStream, server } from "./server";

export const message = (
  id: string,
  parent: string | null,
  role: string,
  content: string,
  rest: object = {},
) => ({
  id,
  parent_id: parent,
  role,
  content,
  outcome: role === "assistant" ? "complete" : null,
  ...rest,
});
export const STORED = {
  id: "c1",
  title: "Why?",
  settings: { ...DEFAULT_SETTINGS, knowledge: false },
  earlier: false,
  messages: [
    message("u1", null, "user", "Why?"),
    message("a2", "u1", "assistant", "Because.", {
      versions: ["a1", "a2"],
      reasoning: "Hm.",
      notes: { knowledge: false },
    }),
  ],
};

/** A server that keeps one conversation, and what is asked of it. */
export function keeping(conversation: object = STORED) {
  const stream = eventStream();
  const asked: unknown[] = [];
  const changes: unknown[] = [];
  server.use(
    http.get("/api/chat/conversations/c1", () => HttpResponse.json(conversation)),
    http.post("/api/chat", async ({ request }) => {
      asked.push(await request.json());
      return stream.response();
    }),
    http.put("/api/chat/conversations/c1", async ({ request }) => {
      changes.push(await request.json());
      return HttpResponse.json(conversation);
    }),
    http.put("/api/chat/conversations/c1/branch", async ({ request }) => {
      changes.push(await request.json());
      return HttpResponse.json(conversation);
    }),
    http.get("/api/chat/limits", () =>
      HttpResponse.json({ model: "tiny-chat", max_model_len: 2048, max_tokens: { min: 1, max: 512 } }),
    ),
  );
  return { stream, asked, changes };
}

/** The first one waits for the page's code too. */
export const article = async () =>
  within(await screen.findByRole("article", { name: "Answer to: Why?" }, { timeout: 15_000 }));
