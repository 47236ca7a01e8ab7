import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { open } from "@/testing/render";
import { server } from "@/testing/server";

const LOOK = { at: "2026-11-21T10:00:00+00:00", ok: true, took_ms: 12, code: null };
const LOST = { at: "2026-11-21T10:01:00+00:00", ok: false, took_ms: 3, code: "connection_refused" };
const UP = {
  services: ["llm"],
  provider: "vLLM",
  address: "http://gpu-1:8000/v1",
  state: "up",
  figures: { running: 2, waiting: 1, cache_used: 0.42, first_token_s: 0.0341 },
  last_failure: null,
  checks: [LOOK],
};
const DOWN = {
  ...UP,
  services: ["embedding", "rerank"],
  address: "http://gpu-2:8000/v1",
  state: "down",
  figures: null,
  last_failure: { at: LOST.at, error: "Nothing listens.", code: LOST.code, next_step: "Start it." },
  checks: [LOOK, LOST],
};
const STATUS = {
  store: {
    kind: "embedded",
    postgres: "18.4",
    pgvector: "0.8.5",
    location: "127.0.0.1:5432",
    bytes: 42_000_000,
    rows: { chunks: 1200 },
    indexes_waiting: 3,
  },
  jobs: { running: 1 },
  workers: [{ name: "vm:1:abc", jobs: 1, duty: "caretaker", lease_until: LOOK.at }],
  models: [UP, DOWN],
  errors: [{ code: "not_found", provider: "", count: 4 }],
};

function told(body: object) {
  server.use(http.get("/api/status", () => HttpResponse.json({ ...STATUS, ...body })));
}

describe("the status page", () => {
  test("shows how busy a server is that answers", async () => {
    told({});
    open("/status");
    const card = within(await screen.findByRole("region", { name: "vLLM for chat" }));
    expect(card.getByText("Up")).toBeVisible();
    const values = card.getAllByRole("definition").map(({ textContent }) => textContent);
    expect(values).toEqual(["2", "1", "42.0 %", "34 ms"]);
  });

  test("says of a server that is down what failed, when, and what to do", async () => {
    told({});
    const { user } = open("/status");
    const card = within(await screen.findByRole("region", { name: "vLLM for embeddings and reranking" }));
    expect(card.getByText("Down")).toBeVisible();
    expect(card.getByText(/Nothing listens/)).toHaveTextContent("Last failure");
    expect(card.getByText("Start it.")).toBeVisible();
    await user.click(card.getByText("Which ones failed"));
    expect(card.getByRole("list", { name: /Failed checks/ })).toHaveTextContent("connection refused");
  });

  test("names who works, the store with its waiting indexes, and the errors", async () => {
    told({});
    open("/status");
    expect(await screen.findByRole("list", { name: "Workers" })).toHaveTextContent(
      "vm:1:abc1 job · looks after the store",
    );
    expect(screen.getByRole("region", { name: "Store" })).toHaveTextContent(
      "3 indexes are still being built",
    );
    expect(screen.getByRole("list", { name: "Errors" })).toHaveTextContent("not found 4");
  });

  test("says nothing of how much is stored before Postgres has an estimate", async () => {
    told({ store: { ...STATUS.store, rows: { chunks: 1200, pages: 0 } } });
    open("/status");
    const store = within(await screen.findByRole("region", { name: "Store" }));
    const names = store.getAllByRole("term").map(({ textContent }) => textContent);
    expect(names).toEqual(["Postgres", "pgvector", "Size", "Passages"]);
    expect(store.getByText("about 1,200")).toBeVisible();
  });

  test("says of a server that nobody asked yet that a check is to come", async () => {
    told({ models: [{ ...UP, state: "unasked", figures: null, checks: [] }] });
    open("/status");
    const card = within(await screen.findByRole("region", { name: "vLLM for chat" }));
    expect(card.getByText("The first check is still to come.")).toBeVisible();
  });

  test("is reached from the navigation", async () => {
    told({});
    const { user } = open("/settings");
    const main = (await screen.findAllByRole("navigation", { name: "Main" }))[0] as HTMLElement;
    await user.click(within(main).getByRole("link", { name: "Status" }));
    expect(await screen.findByRole("heading", { name: "Status", level: 1 })).toBeVisible();
  });

  test("says so where no server is chosen", async () => {
    told({ models: [] });
    open("/status");
    expect(await screen.findByText("No model server can be asked yet.")).toBeVisible();
  });
});
