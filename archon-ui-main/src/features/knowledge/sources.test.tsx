import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { errorBody, SOURCE } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { server, sourceList } from "@/testing/server";
import { outlineOf } from "./outline";

const DETAIL = {
  ...SOURCE,
  char_count: 1_530_000,
  languages: ["en"],
  last_read_at: "2026-11-20T09:00:00Z",
  next_refresh_at: "2099-01-01T00:00:00Z",
  problems: [
    { url: "https://docs.example.org/gone", error: "It answered 404.", code: "http_404", next_step: "Look." },
  ],
  last_job: {
    progressId: "x",
    status: "completed",
    finished_at: null,
    stored_pages: 2,
    failed_pages: 1,
    error: null,
  },
};

/** A server with one source and its page list. */
function withSource(detail: object = DETAIL) {
  server.use(
    http.get("/api/knowledge-items/py", () => HttpResponse.json(detail)),
    http.get("/api/pages", () => HttpResponse.json({ pages: [], total: 0, source_id: "py" })),
  );
}

/** What the list of sources was asked for, newest last. */
function listQueries(): string[] {
  const asked: string[] = [];
  server.use(
    http.get("/api/knowledge-items/summary", ({ request }) => {
      asked.push(new URL(request.url).search);
      return sourceList([DETAIL]);
    }),
  );
  return asked;
}

describe("the list of sources", () => {
  test("is narrowed and sorted by the server, and its address says how", async () => {
    const asked = listQueries();
    const { user, router } = open("/knowledge");
    await user.selectOptions(await screen.findByRole("combobox", { name: "Tag" }), "python");
    await user.click(screen.getByRole("checkbox", { name: "With problems" }));
    await user.selectOptions(screen.getByRole("combobox", { name: "Order" }), "Most words");
    await waitFor(() => expect(asked).toContain("?page=1&per_page=20&tag=python&problems=true&sort=words"));
    expect(router.state.location.search).toBe("?tag=python&problems=1&sort=words");
  });

  test("is narrowed by a tag of a row", async () => {
    const asked = listQueries();
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Only sources tagged python" }));
    await waitFor(() => expect(asked).toContain("?page=1&per_page=20&tag=python"));
  });
});

describe("a source", () => {
  test("says how large and how fresh it is", async () => {
    withSource();
    open("/sources/py");
    const facts = await screen.findByRole("region", { name: "Facts" });
    expect(facts).toHaveTextContent("Pages3Passages41Words900Text1.5 million characters");
    expect(facts).toHaveTextContent(/Next refreshin \d+ years/);
    expect(within(facts).getByRole("link", { name: "Search in this source" })).toHaveAttribute(
      "href",
      "/search?source=py",
    );
  });

  test("says which pages failed, and why", async () => {
    withSource();
    const { user } = open("/sources/py");
    await user.click(await screen.findByText("Which, and why"));
    const problems = screen.getByRole("region", { name: "Problems" });
    expect(problems).toHaveTextContent("1 page could not be read the last time.");
    expect(within(problems).getByRole("listitem")).toHaveTextContent(
      "docs.example.org/goneIt answered 404. Look.",
    );
  });

  test("is renamed and tagged", async () => {
    withSource();
    const saved: unknown[] = [];
    server.use(
      http.put("/api/knowledge-items/py", async ({ request }) => {
        saved.push(await request.json());
        return HttpResponse.json({ success: true });
      }),
    );
    const { user } = open("/sources/py");
    await user.click(await screen.findByRole("button", { name: "Edit" }));
    await user.clear(screen.getByRole("textbox", { name: "Title" }));
    await user.type(screen.getByRole("textbox", { name: "Title" }), "Mine");
    await user.type(screen.getByRole("textbox", { name: /Tags/ }), ", web");
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("Saved Mine.")).toBeInTheDocument();
    expect(saved).toEqual([{ title: "Mine", tags: ["python", "web"], knowledge_type: "technical" }]);
  });

  test("that is not there (any more) is said", async () => {
    const detail = errorBody({ error: "There is no source 'py'.", code: "not_found" });
    server.use(http.get("/api/knowledge-items/py", () => HttpResponse.json({ detail }, { status: 404 })));
    open("/sources/py");
    expect(await screen.findByText("There is no such source (any more).")).toBeInTheDocument();
  });
});

describe("the outline of a page", () => {
  const TEXT =
    "# Tasks\n\nText.\n\n## Running `them`\n\n```\n# no heading\n```\n\n### Deep\n\n#### Too deep\n";

  test("has the headings that do not stand in code", () => {
    expect(outlineOf(TEXT)).toEqual([
      { line: 1, level: 1, text: "Tasks" },
      { line: 5, level: 2, text: "Running them" },
      { line: 11, level: 3, text: "Deep" },
    ]);
  });

  test("goes to them", async () => {
    const page = {
      id: "p1",
      source_id: "py",
      url: "https://x.test/",
      full_content: TEXT,
      char_count: TEXT.length,
    };
    server.use(http.get("/api/pages/p1", () => HttpResponse.json(page)));
    const { user } = open("/pages/p1");
    await user.click(await screen.findByText("On this page"));
    await user.click(screen.getByRole("link", { name: "Running them" }));
    expect(screen.getByRole("heading", { name: "Running them" })).toHaveFocus();
  });
});
