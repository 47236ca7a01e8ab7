import { fireEvent, screen, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { errorBody, SOURCE } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { eventStream, server, sourceList } from "@/testing/server";

const scrolled = vi.mocked(Element.prototype.scrollIntoView);

beforeEach(() => {
  scrolled.mockClear();
  server.use(
    http.post("/api/knowledge-items/crawl", () => HttpResponse.json({ success: true, progressId: "job-1" })),
    http.get("/api/progress/job-1/events", () => eventStream().response()),
  );
});

function nothingStored() {
  server.use(http.get("/api/knowledge-items/summary", () => sourceList([])));
}

async function read(user: ReturnType<typeof open>["user"]) {
  await user.type(await screen.findByRole("textbox", { name: "Address" }), "docs.example.org");
  await user.click(screen.getByRole("button", { name: "Read this address" }));
  return screen.findByRole("heading", { name: "docs.example.org" });
}

describe("work that this person began", () => {
  test("comes into sight and has the focus, on a first visit", async () => {
    nothingStored();
    const heading = await read(open("/knowledge").user);
    await waitFor(() => expect(heading).toHaveFocus());
    expect(scrolled.mock.instances).toEqual([heading]);
    expect(scrolled).toHaveBeenCalledWith({ block: "center", behavior: "smooth" });
  });

  test("does not glide for people who want no motion", async () => {
    vi.spyOn(window, "matchMedia").mockImplementation(
      (query) =>
        ({ matches: query.includes("reduced-motion"), addEventListener() {} }) as unknown as MediaQueryList,
    );
    nothingStored();
    await read(open("/knowledge").user);
    await waitFor(() => expect(scrolled).toHaveBeenCalledWith({ block: "center", behavior: "instant" }));
    vi.restoreAllMocks();
  });

  test("keeps the focus when its window has closed", async () => {
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Add knowledge" }));
    const heading = await read(user);
    await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
    await new Promise((done) => setTimeout(done)); // The window gives its focus back in a task of its own.
    expect(heading).toHaveFocus();
  });
});

test("work that was under way before leaves the focus and the place alone", async () => {
  server.use(
    http.get("/api/progress/", () =>
      HttpResponse.json({ operations: [{ operation_id: "job-1", url: "https://docs.example.org" }] }),
    ),
  );
  open("/knowledge");
  await screen.findByRole("heading", { name: "docs.example.org" });
  expect(document.body).toHaveFocus();
  expect(scrolled).not.toHaveBeenCalled();
});

test("a refused file of a first visit stays with its reason when another one is stored", async () => {
  const detail = errorBody({ error: "It is no PDF." });
  const stream = eventStream();
  let calls = 0;
  server.use(
    http.get("/api/knowledge-items/summary", () => sourceList(calls === 2 ? [SOURCE] : [])),
    http.post("/api/documents/upload", () => {
      calls += 1;
      return calls === 1
        ? HttpResponse.json({ success: true, progressId: "job-1" })
        : HttpResponse.json({ detail }, { status: 422 });
    }),
    http.get("/api/progress/job-1/events", () => stream.response()),
  );
  const { user } = open("/knowledge");
  await user.click(await screen.findByRole("tab", { name: "Files" }));
  const files = ["good.md", "bad.pdf"].map((name) => new File(["text"], name));
  fireEvent.drop(screen.getByText("Drop files here, or choose them"), { dataTransfer: { files } });
  await user.click(screen.getByRole("button", { name: "Upload 2 files" }));
  await screen.findByText("It is no PDF.");
  stream.send("progress", { progressId: "job-1", status: "completed", progress: 100 });
  stream.end();
  await screen.findByRole("link", { name: "Python reference" });
  expect(screen.getByText("It is no PDF.")).toBeVisible();
});
