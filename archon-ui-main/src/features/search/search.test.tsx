import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { errorBody, SOURCE } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { server, sourceList } from "@/testing/server";

const PASSAGE = {
  id: 11,
  content: "asyncio.gather runs **awaitables** concurrently. <script>alert(1)</script>",
  url: "https://docs.example.org/tasks",
  title: "Tasks",
  heading_path: ["Tasks", "Running"],
  page_id: "p1",
  source_id: "py",
  similarity_score: 0.81,
  fused_score: 0.0328,
  vector_rank: 1,
  keyword_rank: 2,
};
const OTHER = { ...PASSAGE, id: 12, title: "Groups", content: "A group waits.", keyword_rank: null };
const CODE = {
  id: 5,
  code: "await asyncio.gather(a(), b())",
  summary: "Runs both.",
  url: PASSAGE.url,
  source_id: "py",
  language: "python",
  similarity: 0.7,
  page_id: "p1",
  example_name: "Gather two",
};
const FILTERS = {
  tags: [
    { value: "python", sources: 2 },
    { value: "web", sources: 1 },
  ],
  knowledge_types: [{ value: "technical", sources: 3 }],
  languages: [
    { value: "en", sources: 2 },
    { value: "de", sources: 1 },
  ],
};

function answer(results: unknown[], changes: object = {}) {
  const scoring = { rank_constant: 60, keyword_weight: 1, heading_weight: 0.5 };
  return {
    success: true,
    results,
    return_mode: "chunks",
    search_mode: "hybrid",
    reason: null,
    scoring,
    ...changes,
  };
}

/** A server that finds `body`, and what it was asked. */
function finding(body: object, status = 200) {
  const asked: unknown[] = [];
  const other = { ...SOURCE, source_id: "web", title: "Web guide" };
  server.use(
    http.get("/api/rag/filters", () => HttpResponse.json(FILTERS)),
    http.get("/api/knowledge-items/summary", () => sourceList([SOURCE, other])),
    http.post("/api/rag/query", async ({ request }) => {
      asked.push(await request.json());
      return HttpResponse.json(body, { status });
    }),
  );
  return asked;
}

describe("search", () => {
  test("finds passages, marks the question's words and runs nothing of what was found", async () => {
    finding(answer([PASSAGE]));
    const { user, router } = open("/search");
    await user.type(await screen.findByRole("searchbox", { name: "Search your knowledge" }), "gather{Enter}");
    const hit = await screen.findByRole("listitem");
    expect(within(hit).getByText("gather").tagName).toBe("MARK");
    expect(hit).toHaveTextContent("<script>alert(1)</script>");
    expect(hit.querySelector("script")).toBeNull();
    expect(router.state.location.search).toBe("?q=gather");
  });

  test("is whole in its address", async () => {
    const asked = finding(answer([PASSAGE]));
    open("/search?q=gather&source=py&tag=python&type=technical&language=en&n=30");
    expect(await screen.findByRole("link", { name: "Tasks" })).toHaveAttribute("href", "/pages/p1?chunk=11");
    expect(asked).toEqual([
      {
        query: "gather",
        source_ids: ["py"],
        tags: ["python"],
        knowledge_types: ["technical"],
        languages: ["en"],
        match_count: 30,
        return_mode: "chunks",
      },
    ]);
  });

  test("says how a passage came to its place", async () => {
    finding(answer([{ ...PASSAGE, metadata: { situation: "Tells how tasks are run." } }, OTHER]));
    const { user } = open("/search?q=gather");
    await user.click(await screen.findByText("Found by meaning and words"));
    expect(screen.getByText(/^Tells how tasks are run\. \(by the chat model/)).toBeVisible();
    expect(screen.getAllByText("place 1, 81 % alike")).toHaveLength(2);
    expect(screen.getByText("place 2")).toBeVisible();
    expect(screen.getByText("Found by meaning")).toBeInTheDocument();
  });

  test("is narrowed by its filters, and widened again", async () => {
    const asked = finding(answer([PASSAGE]));
    const { user, router } = open("/search?q=gather");
    await user.click(await screen.findByRole("button", { name: "Language" }));
    await user.click(await screen.findByRole("checkbox", { name: /German/ }));
    await waitFor(() => expect(router.state.location.search).toBe("?q=gather&language=de"));
    await user.keyboard("{Escape}");
    await user.click(await screen.findByRole("button", { name: "Clear filters" }));
    await waitFor(() => expect(router.state.location.search).toBe("?q=gather"));
    expect(asked).toContainEqual(expect.objectContaining({ languages: ["de"] }));
  });

  test("shows pages with the number of their passages", async () => {
    const page = { page_id: "p1", url: PASSAGE.url, title: "Tasks", chunk_matches: 3, best_chunk: PASSAGE };
    finding(answer([page], { return_mode: "pages" }));
    const { user } = open("/search?q=gather");
    await user.click(await screen.findByRole("radio", { name: "Pages" }));
    expect(await screen.findByText("2 more matching passages on this page")).toBeInTheDocument();
  });

  test("shows code as it is stored", async () => {
    finding(answer([]));
    server.use(
      http.post("/api/rag/code-examples", () => HttpResponse.json({ success: true, results: [CODE] })),
    );
    open("/search?q=gather&view=code");
    const hit = await screen.findByRole("listitem");
    expect(hit).toHaveTextContent("await asyncio.gather(a(), b())");
    expect(within(hit).getByRole("button", { name: "Copy the code of Gather two" })).toBeInTheDocument();
  });

  test("is used with the keys alone", async () => {
    finding(answer([PASSAGE, OTHER]));
    const { user, router } = open("/search?q=gather");
    const first = await screen.findByRole("link", { name: "Tasks" });
    first.blur();
    await user.keyboard("/");
    expect(screen.getByRole("searchbox", { name: "Search your knowledge" })).toHaveFocus();
    await user.keyboard("{ArrowDown}{ArrowDown}{ArrowUp}");
    expect(first).toHaveFocus();
    server.use(http.get("/api/pages/p1", () => HttpResponse.json({ detail: errorBody() }, { status: 404 })));
    await user.keyboard("{Enter}");
    await waitFor(() => expect(router.state.location.pathname).toBe("/pages/p1"));
  });

  test.each([
    ["empty_store", "Nothing is stored yet"],
    ["filter_excludes_all", "The filters leave nothing"],
    ["other_space", "Not readable with the embedding model in use"],
    ["no_match", "Nothing matches"],
  ])("that finds nothing says why: %s", async (reason, title) => {
    finding(answer([], { reason }));
    open("/search?q=zebra");
    expect(await screen.findByRole("heading", { name: title })).toBeInTheDocument();
  });

  test.each([
    ["empty_store", "No code example is stored yet"],
    ["filter_excludes_all", "The filters leave no code example"],
    ["other_space", "Not readable with the embedding model in use"],
    ["no_match", "No code example matches"],
  ])("in code that finds nothing says why: %s", async (reason, title) => {
    finding(answer([]));
    server.use(
      http.post("/api/rag/code-examples", () => HttpResponse.json({ success: true, results: [], reason })),
    );
    open("/search?q=zebra&view=code");
    expect(await screen.findByRole("heading", { name: title })).toBeInTheDocument();
  });

  test("that fails is never an empty list", async () => {
    finding({ detail: errorBody({ error: "The embedding server is gone." }) }, 502);
    open("/search?q=zebra");
    expect(await screen.findByRole("alert")).toHaveTextContent(
      "The search failed.The embedding server is gone.",
    );
    expect(screen.getByRole("button", { name: "Try again" })).toBeInTheDocument();
  });

  test("by words alone is said aloud", async () => {
    finding(answer([PASSAGE], { search_mode: "keyword" }));
    open("/search?q=gather");
    expect(await screen.findByText("Found by words alone.")).toBeInTheDocument();
  });
});
