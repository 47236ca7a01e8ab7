import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { errorBody, SOURCE } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { eventStream, server, sourceList } from "@/testing/server";

const STARTED = { success: true, progressId: "job-1", message: "" };
const RUNNING = { progressId: "job-1", status: "crawling", progress: 40, totalPages: 10, processedPages: 4 };
const OUTCOME = { pages_stored: 0, pages_unchanged: 0, pages_failed: 0, chunks_stored: 0, failures: [] };
const FAILURE = {
  url: "https://docs.example.org/gone",
  error: "It answered 404.",
  code: "http_404",
  next_step: "Look.",
};

/** A crawl that can be started, and whose progress the test sends. */
function crawlable() {
  const stream = eventStream();
  const asked: unknown[] = [];
  server.use(
    http.post("/api/knowledge-items/crawl", async ({ request }) => {
      asked.push(await request.json());
      return HttpResponse.json(STARTED);
    }),
    http.get("/api/progress/job-1/events", () => stream.response()),
  );
  return { stream, asked };
}

async function startCrawl() {
  const opened = open("/knowledge");
  await opened.user.click(await screen.findByRole("button", { name: "Add knowledge" }));
  await opened.user.type(await screen.findByRole("textbox", { name: "Address" }), "docs.example.org");
  await opened.user.click(screen.getByRole("button", { name: "Read this address" }));
  return opened;
}

describe("a crawl", () => {
  test("starts with its options and is followed live", async () => {
    const { stream, asked } = crawlable();
    await startCrawl();
    stream.send("progress", { ...RUNNING, details: { contextsDone: 7, embeddingsReused: 12 } });
    expect(await screen.findByText("4 of 10 pages")).toBeInTheDocument();
    expect(screen.getByText("contexts of 7 passages")).toBeInTheDocument();
    expect(screen.getByText("12 embeddings reused")).toBeInTheDocument();
    const bar = screen.getByRole("progressbar", { name: "Progress of docs.example.org" });
    expect(bar).toHaveAttribute("aria-valuenow", "40");
    expect(asked).toEqual([{ url: "https://docs.example.org", max_depth: 3, max_pages: 200, tags: [] }]);
  });

  test("names the pages of which passages lack their context", async () => {
    const { stream } = crawlable();
    await startCrawl();
    const notice = { url: "https://docs.example.org/long", error: "1 of 9 passages were embedded without." };
    const stored = { ...OUTCOME, pages_stored: 2, chunks_stored: 12, chunks_without_context: 1 };
    stream.send("progress", { ...RUNNING, status: "completed", outcome: { ...stored, notices: [notice] } });
    expect(await screen.findByText(/stored as 12 passages, 1 passage without a context\./)).toBeVisible();
    expect(screen.getByText("1 notice, with reasons").closest("details")).toHaveTextContent(notice.error);
  });

  test("that stored nothing is shown as failed, with every reason", async () => {
    const { stream } = crawlable();
    await startCrawl();
    const outcome = { ...OUTCOME, pages_failed: 1, failures: [FAILURE] };
    const detail = errorBody({ error: "Nothing was stored." });
    stream.send("progress", { ...RUNNING, status: "failed", outcome, detail });
    expect(await screen.findByText("Failed")).toBeInTheDocument();
    expect(screen.getByRole("alert")).toHaveTextContent("Nothing was stored.");
    expect(screen.getByText("https://docs.example.org/gone").closest("li")).toHaveTextContent(
      "It answered 404. Look.",
    );
  });

  test("that lost some pages does not look like a whole one", async () => {
    const { stream } = crawlable();
    await startCrawl();
    const outcome = { ...OUTCOME, pages_stored: 8, chunks_stored: 30, pages_unchanged: 2, pages_failed: 1 };
    stream.send("progress", { ...RUNNING, status: "completed", outcome });
    expect(await screen.findByText("Completed, 1 page failed")).toBeInTheDocument();
    expect(screen.getByText("8 pages stored as 30 passages, 2 unchanged, 1 failed.")).toBeInTheDocument();
  });

  test("says how many texts were not embedded again", async () => {
    const { stream } = crawlable();
    await startCrawl();
    const outcome = { ...OUTCOME, pages_stored: 1, chunks_stored: 4 };
    stream.send("progress", { ...RUNNING, status: "completed", outcome, details: { embeddingsReused: 3 } });
    expect(await screen.findByText("1 page stored as 4 passages, 3 embeddings reused.")).toBeVisible();
  });

  test("says what was left out of the site", async () => {
    const { stream } = crawlable();
    await startCrawl();
    const outcome = { ...OUTCOME, pages_stored: 1, chunks_stored: 4 };
    const remarks = ["https://docs.example.org/x was left out: the site's robots.txt asks crawlers for it."];
    stream.send("progress", { ...RUNNING, status: "completed", outcome, remarks });
    expect(await screen.findByRole("list", { name: "Left out" })).toHaveTextContent(remarks[0] as string);
  });

  test("says how many pages its site has no more", async () => {
    const { stream } = crawlable();
    await startCrawl();
    const outcome = { ...OUTCOME, pages_unchanged: 5, pages_removed: 3 };
    stream.send("progress", { ...RUNNING, status: "completed", outcome });
    expect(await screen.findByText("Nothing was stored, 5 unchanged, 3 removed.")).toBeVisible();
  });

  test("is asked for its state one by one where events do not get through", async () => {
    crawlable();
    server.use(
      http.get("/api/progress/job-1/events", () => HttpResponse.error()),
      http.get("/api/progress/job-1", () =>
        HttpResponse.json({ ...RUNNING, status: "completed", outcome: OUTCOME }),
      ),
    );
    await startCrawl();
    expect(await screen.findByText("Completed")).toBeInTheDocument();
  });

  test("can be stopped", async () => {
    const { stream } = crawlable();
    let stopped = false;
    server.use(
      http.post("/api/jobs/job-1/cancel", () => {
        stopped = true;
        return HttpResponse.json({ id: "job-1", kind: "crawl", state: "running" });
      }),
    );
    const { user } = await startCrawl();
    stream.send("progress", RUNNING);
    await user.click(await screen.findByRole("button", { name: "Stop docs.example.org" }));
    await waitFor(() => expect(stopped).toBe(true));
  });

  test("that is refused says so at the field", async () => {
    const detail = errorBody({ error: "Private addresses are not read.", field: "url" });
    server.use(http.post("/api/knowledge-items/crawl", () => HttpResponse.json({ detail }, { status: 422 })));
    await startCrawl();
    const address = screen.getByRole("textbox", { name: "Address" });
    await waitFor(() => expect(address).toHaveAccessibleDescription(/Private addresses are not read/));
  });

  test("does not start for what is no address", async () => {
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Add knowledge" }));
    await user.click(await screen.findByRole("button", { name: "Read this address" }));
    expect(screen.getByRole("textbox", { name: "Address" })).toBeInvalid();
  });
});

describe("uploads", () => {
  async function chooseFiles(names: string[]) {
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Add knowledge" }));
    await user.click(await screen.findByRole("tab", { name: "Files" }));
    const files = names.map((name) => new File(["text"], name));
    fireEvent.drop(screen.getByText("Drop files here, or choose them"), { dataTransfer: { files } });
    return user;
  }

  test("several dropped files are sent, and a refused one stays with its reason", async () => {
    let calls = 0;
    server.use(
      http.post("/api/documents/upload", () => {
        calls += 1;
        return calls === 1
          ? HttpResponse.json(STARTED)
          : HttpResponse.json({ detail: errorBody({ error: "It is no PDF." }) }, { status: 422 });
      }),
      http.get("/api/progress/job-1/events", () => eventStream().response()),
    );
    const user = await chooseFiles(["good.md", "bad.pdf"]);
    await user.click(screen.getByRole("button", { name: "Upload 2 files" }));
    const list = within(screen.getByRole("list", { name: "Files to send" }));
    expect(await list.findByRole("alert")).toHaveTextContent("bad.pdf was not taken.It is no PDF.");
    expect(list.queryByText("good.md")).not.toBeInTheDocument();
  });

  test("a chosen file can be taken out again", async () => {
    const user = await chooseFiles(["one.md"]);
    await user.click(screen.getByRole("button", { name: "Remove one.md" }));
    expect(screen.getByRole("button", { name: "Upload" })).toBeDisabled();
  });
});

describe("sources", () => {
  test("are listed with counts and the state of their last work", async () => {
    const last_job = {
      progressId: "x",
      status: "completed",
      finished_at: null,
      stored_pages: 3,
      failed_pages: 2,
    };
    server.use(http.get("/api/knowledge-items/summary", () => sourceList([{ ...SOURCE, last_job }])));
    open("/knowledge");
    const row = (await screen.findByRole("link", { name: "Python reference" })).closest("li");
    expect(row).toHaveTextContent("Completed, 2 pages failed");
    expect(row).toHaveTextContent("3 pages41 passages");
  });

  test("are searched by the server", async () => {
    const { user } = open("/knowledge");
    await screen.findByRole("link", { name: "Python reference" });
    server.use(
      http.get("/api/knowledge-items/summary", ({ request }) =>
        sourceList(new URL(request.url).searchParams.get("search") === "rust" ? [] : [SOURCE]),
      ),
    );
    await user.type(screen.getByRole("searchbox", { name: "Search sources" }), "rust");
    expect(await screen.findByRole("heading", { name: "No source matches" })).toBeInTheDocument();
  });

  test("are deleted only after a question", async () => {
    let deleted = false;
    server.use(
      http.delete("/api/knowledge-items/py", () => {
        deleted = true;
        return HttpResponse.json({ success: true });
      }),
    );
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Delete Python reference" }));
    expect(deleted).toBe(false);
    await user.click(await screen.findByRole("button", { name: "Delete" }));
    expect(await screen.findByText("Deleted Python reference.")).toBeInTheDocument();
    expect(deleted).toBe(true);
  });

  test("an empty store teaches how to fill it", async () => {
    server.use(http.get("/api/knowledge-items/summary", () => sourceList([])));
    open("/knowledge");
    expect(await screen.findByRole("heading", { name: "Nothing stored yet" })).toBeInTheDocument();
    expect(screen.getByRole("textbox", { name: "Address" })).toBeInTheDocument();
  });

  test("that cannot be read offer another try", async () => {
    let calls = 0;
    server.use(
      http.get("/api/knowledge-items/summary", () => {
        calls += 1;
        return calls === 1
          ? HttpResponse.json({ detail: errorBody() }, { status: 503 })
          : sourceList([SOURCE]);
      }),
    );
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("link", { name: "Python reference" })).toBeInTheDocument();
  });
});

describe("the page reader", () => {
  const PAGE = {
    id: "p1",
    source_id: "py",
    url: "https://docs.example.org/tasks",
    title: "Tasks",
    full_content:
      "# Tasks\n\nBefore.\n\ngather runs them.\n\nAfter. <script>alert(1)</script> ![x](https://e.example/p.png)",
    char_count: 60,
    word_count: 8,
    chunk_count: 3,
  };
  const chunk = (content: string) => ({
    chunks: [{ id: 11, content, url: PAGE.url }],
    total: 1,
    has_more: false,
  });

  test("marks the passage that was asked for", async () => {
    server.use(
      http.get("/api/pages/p1", () => HttpResponse.json(PAGE)),
      http.get("/api/knowledge-items/py/chunks", () =>
        HttpResponse.json(chunk("Tasks\n\ngather runs them.")),
      ),
    );
    open("/pages/p1?chunk=11");
    expect(await screen.findByRole("region", { name: "Passage" })).toHaveTextContent(/^gather runs them\.$/);
  });

  test("shows the passage apart when the page has changed since", async () => {
    server.use(
      http.get("/api/pages/p1", () => HttpResponse.json(PAGE)),
      http.get("/api/knowledge-items/py/chunks", () => HttpResponse.json(chunk("Gone."))),
    );
    open("/pages/p1?chunk=11");
    expect(await screen.findByText("The passage is not on this page as it is now.")).toBeInTheDocument();
    expect(screen.getByText("Gone.")).toBeInTheDocument();
  });

  test("loads no image and runs no markup of a page", async () => {
    server.use(http.get("/api/pages/p1", () => HttpResponse.json(PAGE)));
    open("/pages/p1");
    const article = await screen.findByRole("article");
    expect(within(article).queryByRole("img", { name: "x" })).not.toBeInTheDocument();
    expect(article.querySelector("script")).toBeNull();
    expect(article).toHaveTextContent("Image not loaded: x");
  });
});
