import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, test } from "vitest";
import { errorBody } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { eventStream, server } from "@/testing/server";
import { diffLines } from "./diff";
import { asStored, edited, fileOf, lineCount, linesBetween } from "./file";

const LEFT_OUT = { lines_before: 0, lines_after: 7, files: [], file_lines: 0, passages: 0 };
const CONTEXT = {
  first_line: 1,
  last_line: 4,
  files: [],
  passages: [],
  left_out: LEFT_OUT,
  prompt_tokens: 90,
  answer_tokens: 200,
  max_model_len: 2048,
};
const START = { provider: "one", model: "small", context: CONTEXT, knowledge_problem: null };
const DONE = { outcome: "complete", finish_reason: "stop" };
const DIFF = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-x = 1\n+x = 2\n y = 1\n";

function helpful(wish: "explain" | "rewrite") {
  const stream = eventStream();
  const asked: Record<string, unknown>[] = [];
  server.use(
    http.post(`/api/ai/${wish}/stream`, async ({ request }) => {
      asked.push((await request.json()) as Record<string, unknown>);
      return stream.response();
    }),
  );
  return { stream, asked };
}

async function openWith(text: string) {
  const opened = open("/code");
  await opened.user.upload(await screen.findByLabelText("Open a file"), new File([text], "a.py"));
  await waitFor(() => expect(screen.getByRole("textbox", { name: "Path" })).toHaveValue("a.py"));
  return opened;
}

beforeEach(() => {
  const list = { connections: [], default: null, fields: [], providers: [] };
  server.use(http.get("/api/connections", () => HttpResponse.json(list)));
});

describe("an explanation", () => {
  test("streams, and says what the model saw and what not", async () => {
    const { stream, asked } = helpful("explain");
    const { user } = await openWith("x = 1\ny = 1\n");
    await user.click(screen.getByRole("button", { name: "Explain" }));
    stream.send("start", START);
    stream.send("token", { text: "It **assigns**." });
    expect(await screen.findByText("assigns")).toBeInTheDocument();
    stream.send("result", { explanation: "It **assigns**.", cut: false });
    stream.send("done", DONE);
    expect(await screen.findByText("Explained by small.")).toBeInTheDocument();
    expect(screen.getByText("No room for: 7 lines after.")).toBeInTheDocument();
    expect(asked[0]).toMatchObject({ path: "a.py", text: "x = 1\ny = 1\n", selection: { start: 1, end: 2 } });
  });

  test("that broke off is not called one", async () => {
    const { stream } = helpful("explain");
    const { user } = await openWith("x = 1\n");
    await user.click(screen.getByRole("button", { name: "Explain" }));
    stream.send("start", START);
    stream.send("token", { text: "It" });
    stream.end();
    expect(await screen.findByRole("alert")).toHaveTextContent("The answer broke off before its end.");
  });

  test("can be stopped", async () => {
    const { stream } = helpful("explain");
    const { user } = await openWith("x = 1\n");
    await user.click(screen.getByRole("button", { name: "Explain" }));
    stream.send("start", START);
    await user.click(await screen.findByRole("button", { name: "Stop" }));
    expect(await screen.findByText("Stopped. What came is not whole.")).toBeInTheDocument();
  });
});

describe("a rewrite", () => {
  test("shows the diff, with what each line is for those who do not see colours", async () => {
    const { stream, asked } = helpful("rewrite");
    const { user } = await openWith("x = 1\ny = 1\n");
    await user.type(screen.getByRole("textbox", { name: "Question or instruction" }), "make it two");
    await user.click(screen.getByRole("button", { name: "Rewrite" }));
    stream.send("start", START);
    stream.send("retry", { reason: "it holds no code block." });
    stream.send("result", { text: "x = 2\n", file: "x = 2\ny = 1\n", diff: DIFF });
    stream.send("done", DONE);
    const diff = await screen.findByRole("region", { name: "Diff" });
    expect(within(diff).getByText("+x = 2")).toHaveTextContent("Added: +x = 2");
    expect(screen.getByText(/The first answer was not used/)).toBeInTheDocument();
    expect(asked[0]).toMatchObject({ instruction: "make it two" });
  });

  test("that is refused says so at its field", async () => {
    const detail = errorBody({ error: "'../a.py' must be a path below the folder.", field: "path" });
    server.use(http.post("/api/ai/rewrite/stream", () => HttpResponse.json({ detail }, { status: 422 })));
    const { user } = await openWith("x = 1\n");
    await user.type(screen.getByRole("textbox", { name: "Question or instruction" }), "x");
    await user.click(screen.getByRole("button", { name: "Rewrite" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("must be a path below");
    expect(screen.getByRole("textbox", { name: "Path" })).toHaveAttribute("aria-invalid", "true");
  });
});

describe("a file", () => {
  test("is sent as it is stored, with its byte order mark", async () => {
    const { stream, asked } = helpful("explain");
    const { user } = await openWith("\ufeffx = 1\r\n");
    await user.click(screen.getByRole("button", { name: "Explain" }));
    stream.send("done", DONE);
    await waitFor(() => expect(asked).toMatchObject([{ text: "\ufeffx = 1\r\n" }]));
  });

  test("that is no text is not opened, and said so", async () => {
    const { user } = await openWith("x = 1\n");
    const picture = new File([new Uint8Array([0xff, 0xd8, 0xff])], "a.jpg");
    await user.upload(screen.getByLabelText("Open a file"), picture);
    expect(await screen.findByText("a.jpg is not UTF-8 text, so it was not opened.")).toBeInTheDocument();
    expect(screen.getByRole("textbox", { name: "Code" })).toHaveValue("x = 1\n");
    await user.upload(screen.getByLabelText("Add other files"), picture);
    expect(await screen.findByText("Not UTF-8 text, so left out: a.jpg.")).toBeInTheDocument();
  });

  test("keeps its line ends, also after a change", () => {
    const file = fileOf("a.cs", "one\r\ntwo\nthree\r\n");
    expect(asStored(file)).toBe("one\r\ntwo\nthree\r\n");
    expect(asStored(edited(file, "one\n2\n"))).toBe("one\r\n2\r\n");
  });

  test.each([
    ["", 0],
    ["a", 1],
    ["a\n", 1],
    ["a\n\nb", 3],
  ])("of %j has %i lines", (text, lines) => {
    expect(lineCount(text)).toBe(lines);
  });

  test("has the lines that a selection touches", () => {
    const text = "one\ntwo\nthree\n";
    expect(linesBetween(text, 1, 2)).toEqual({ start: 1, end: 1 });
    expect(linesBetween(text, 4, 8)).toEqual({ start: 2, end: 2 });
    expect(linesBetween(text, 0, 14)).toEqual({ start: 1, end: 3 });
  });

  test("that looks like a diff does not confuse the diff", () => {
    const kinds = diffLines(
      "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n--- old\n+++ new\n\\ No newline at end of file\n",
    );
    expect(kinds.map((line) => line.kind)).toEqual(["head", "head", "place", "removed", "added", "note"]);
  });
});
