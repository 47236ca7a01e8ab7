import { fireEvent, screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { errorBody, SOURCE } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { eventStream, server } from "@/testing/server";
import { addressOf } from "./crawlRequest";

const SEEN = {
  success: true,
  url: "https://docs.example.org/",
  kind: "normal",
  title: "Example Docs",
  pages: 43,
  is_all: false,
  first: ["https://docs.example.org/", "https://docs.example.org/a"],
  found_by: ["links", "sitemap"],
  left_out: 2,
  needs_browser: "no",
  has_browser: true,
  better: [],
  robots: { allowed: true, refused: 3, first_refused: [], crawl_delay_s: 2 },
  known: null,
  problem: null,
};

async function look(seen: object) {
  const asked: Record<string, unknown>[] = [];
  server.use(
    http.post("/api/knowledge-items/preview", async ({ request }) => {
      asked.push((await request.json()) as Record<string, unknown>);
      return HttpResponse.json(seen);
    }),
  );
  const { user } = open("/knowledge");
  await user.click(await screen.findByRole("button", { name: "Add knowledge" }));
  await user.type(await screen.findByRole("textbox", { name: "Address" }), "docs.example.org");
  await user.click(screen.getByRole("button", { name: "Look first" }));
  return { user, asked };
}

describe("a look before a crawl", () => {
  test("tells how many pages there are and what keeps others away", async () => {
    await look(SEEN);
    const card = await screen.findByRole("region", { name: "What this address would bring" });
    expect(card).toHaveTextContent("A site. At least 43 pages, found by its links and its sitemap.");
    expect(card).toHaveTextContent("Left alone, as robots.txt asks: 3 pages.");
    expect(card).toHaveTextContent("The site wants 2 seconds between two pages.");
    expect(within(card).getByText("docs.example.org/a")).toBeInTheDocument();
  });

  test("offers the plain version of a site and looks at it", async () => {
    const { user, asked } = await look({ ...SEEN, better: ["https://docs.example.org/llms-full.txt"] });
    await user.click(await screen.findByRole("button", { name: "Use llms-full.txt" }));
    expect(screen.getByRole("textbox", { name: "Address" })).toHaveValue(
      "https://docs.example.org/llms-full.txt",
    );
    await screen.findByRole("region", { name: "What this address would bring" });
    expect(asked.map((one) => one.url)).toEqual([
      "https://docs.example.org",
      "https://docs.example.org/llms-full.txt",
    ]);
  });

  test("says why an address brings nothing", async () => {
    await look({ ...SEEN, problem: errorBody({ error: "The site has no such page." }) });
    expect(await screen.findByRole("alert")).toHaveTextContent("The site has no such page.");
  });

  test("says that robots.txt forbids the address", async () => {
    await look({ ...SEEN, robots: { ...SEEN.robots, allowed: false } });
    expect(await screen.findByText(/asks crawlers to leave this address out/)).toBeInTheDocument();
  });

  test("warns of pages that need a browser where there is none", async () => {
    await look({ ...SEEN, needs_browser: "yes", has_browser: false });
    expect(await screen.findByText(/There is no browser on Archon's machine/)).toBeInTheDocument();
  });
});

describe("patterns", () => {
  test("are sent with the crawl, one a line", async () => {
    const asked: unknown[] = [];
    server.use(
      http.post("/api/knowledge-items/crawl", async ({ request }) => {
        asked.push(await request.json());
        return HttpResponse.json({ success: true, progressId: "job-1", message: "" });
      }),
      http.get("/api/progress/job-1/events", () => eventStream().response()),
    );
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Add knowledge" }));
    await user.type(await screen.findByRole("textbox", { name: "Address" }), "docs.example.org");
    await user.click(screen.getByText("Which pages, and code examples"));
    fireEvent.change(screen.getByRole("textbox", { name: /Leave out/ }), {
      target: { value: "/old/**\n\n/tmp/*" },
    });
    await user.click(screen.getByRole("checkbox", { name: /Keep code examples/ }));
    await user.click(screen.getByRole("button", { name: "Read this address" }));
    expect(asked).toEqual([
      expect.objectContaining({ exclude: ["/old/**", "/tmp/*"], extract_code_examples: false }),
    ]);
  });

  test("that cannot be used are named at their field", async () => {
    const detail = errorBody({ error: "The pattern '(' cannot be used.", field: "exclude" });
    server.use(http.post("/api/knowledge-items/crawl", () => HttpResponse.json({ detail }, { status: 422 })));
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Add knowledge" }));
    await user.type(await screen.findByRole("textbox", { name: "Address" }), "docs.example.org");
    await user.click(screen.getByRole("button", { name: "Read this address" }));
    const field = await screen.findByRole("textbox", { name: /Leave out/ });
    await screen.findByText("The pattern '(' cannot be used.");
    expect(field).toBeInvalid();
  });
});

test("code examples of a source are read when they are opened", async () => {
  const example = {
    id: 1,
    content: "print(1)\n  indented",
    summary: "Prints.",
    example_name: "Print",
    language: "python",
    url: "u",
  };
  server.use(
    http.get("/api/knowledge-items/:id/code-examples", () =>
      HttpResponse.json({ success: true, code_examples: [example], total: 1 }),
    ),
    http.get(`/api/knowledge-items/${SOURCE.source_id}`, () =>
      HttpResponse.json({ ...SOURCE, code_examples_count: 1, problems: [] }),
    ),
    http.get("/api/pages", () => HttpResponse.json({ pages: [], total: 0, source_id: SOURCE.source_id })),
  );
  const { user } = open(`/sources/${SOURCE.source_id}`);
  await user.click(await screen.findByText("1 code example"));
  expect(await screen.findByText("Prints.")).toBeInTheDocument();
  expect(document.querySelector("pre")?.textContent).toBe("print(1)\n  indented");
});

test("what is typed becomes an address, or none", () => {
  expect([addressOf(" docs.example.org "), addressOf("ftp://x.org"), addressOf("")]).toEqual([
    "https://docs.example.org",
    null,
    null,
  ]);
});
