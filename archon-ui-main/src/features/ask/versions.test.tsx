import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { article, keeping, message, STORED } from "@/testing/conversation";
import { open } from "@/testing/render";
import { server } from "@/testing/server";

test("while an answer is written its versions can be looked at by keyboard, and the stream goes on", async () => {
  const versions = ["a1", "a2", "a3"];
  const version = (id: string, content: string, outcome: string | null = "complete") => ({
    ...STORED,
    messages: [STORED.messages[0], message(id, "u1", "assistant", content, { versions, outcome })],
  });
  const { stream } = keeping();
  const { user } = open("/ask/c1");
  const shown = await article();
  await user.click(shown.getByRole("button", { name: "Ask again" }));
  stream.send("start", { conversation_id: "c1", message_id: "a3", question_id: "u1", passages: [] });
  stream.send("token", { text: "New " });
  expect(await shown.findByRole("group", { name: "Versions of the answer" })).toHaveTextContent("3 of 3");
  const branches: Record<string, object> = { a2: version("a2", "Because."), a3: version("a3", "", null) };
  server.use(
    http.put("/api/chat/conversations/c1/branch", async ({ request }) => {
      const { message_id } = (await request.json()) as { message_id: string };
      server.use(http.get("/api/chat/conversations/c1", () => HttpResponse.json(branches[message_id])));
      return HttpResponse.json({});
    }),
  );
  shown.getByRole("button", { name: "Earlier version of the answer" }).focus();
  await user.keyboard("{Enter}");
  expect(await screen.findByText("Because.")).toBeInTheDocument();
  expect(screen.queryByText("New")).not.toBeInTheDocument();
  stream.send("token", { text: "words." });
  const later = screen.getByRole("button", { name: "Later version of the answer" });
  later.focus();
  await user.keyboard("{Enter}");
  expect(await screen.findByText("New words.")).toBeInTheDocument();
  expect(later).toHaveFocus();
  expect(screen.getByRole("button", { name: "Stop" })).toBeInTheDocument();
});

test("the versions of an edited question are shown while its answer is written", async () => {
  const { stream } = keeping();
  const { user } = open("/ask/c1");
  await user.click((await article()).getByRole("button", { name: "Edit the question" }));
  await user.type(screen.getByRole("textbox", { name: "The question in other words" }), " Now?{Enter}");
  stream.send("start", { conversation_id: "c1", message_id: "a3", question_id: "u2", passages: [] });
  const edited = within(await screen.findByRole("article", { name: "Answer to: Why? Now?" }));
  expect(await edited.findByRole("group", { name: "Versions of the question" })).toHaveTextContent("2 of 2");
  expect(edited.queryByRole("group", { name: "Versions of the answer" })).not.toBeInTheDocument();
});
