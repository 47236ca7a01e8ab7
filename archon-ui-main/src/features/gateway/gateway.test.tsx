import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, test } from "vitest";
import { open } from "@/testing/render";
import { recordSaves, server } from "@/testing/server";
import { kindOf, seconds } from "./words";

const READY = {
  name: "gpu-1:8000",
  url: "http://gpu-1:8000",
  state: "ready",
  outstanding: 3,
  limit: 256,
  back_in_s: null,
  last_error: null,
  models: { "big-model": 16384 },
  abilities: ["chat", "completions", "tokenize"],
  version: "0.32.0",
  figures: { running: 2, waiting: 1, kv_cache_used: 0.42 },
  requests: 120,
  errors: { provider_timeout: 2 },
};
const OUT = {
  ...READY,
  name: "gpu-2:8000",
  url: "http://gpu-2:8000",
  state: "ejected",
  back_in_s: 1.4,
  figures: null,
  last_error: {
    message: "Nothing listens on gpu-2:8000.",
    code: "connection_refused",
    next_step: "Start it.",
  },
};
const ACCOUNT = {
  version: "0.1.0",
  started: 1_795_000_000,
  totals: {
    running: 3,
    requests: 240,
    errors: { overloaded: 4 },
    streams: { complete: 90, truncated: 1 },
    retries: 6,
  },
  first_token: { "big-model": { count: 91, p50_s: 0.034, p95_s: 1.5 } },
  draining: [],
  pools: [
    {
      name: "generation",
      can_serve: true,
      queued: 5,
      aliases: {},
      options: { heal: true, affinity: "off" },
      upstreams: [READY, OUT],
    },
  ],
};
const WELL = { provider: "alpha", healthy: true, models: ["big-model"], latency_s: 0.02, last_error: null };

function answers(
  status: object,
  inference: object = { status: "ok", enabled: false, primary: WELL, fallbacks: [] },
) {
  server.use(
    http.get("/api/gateway/status", () => HttpResponse.json(status)),
    http.get("/v1/health/inference", () => HttpResponse.json(inference)),
  );
}

const running = { address: "http://127.0.0.1:8200", used_by: ["vLLM"], status: ACCOUNT, error: null };

describe("the gateway's page", () => {
  beforeEach(() => answers(running));

  test("shows what each server is and how busy it is", async () => {
    open("/gateway");
    const servers = within(await screen.findByRole("list", { name: "Servers of generation" }));
    const [ready] = servers.getAllByRole("listitem").filter((one) => within(one).queryByRole("heading"));
    const first = within(ready as HTMLElement);
    expect(first.getByText("Serving")).toBeVisible();
    expect(first.getByText(/Generates · vLLM 0.32.0/)).toBeVisible();
    expect(first.getByText(/16,384 tokens/)).toBeVisible();
    expect(first.getByRole("meter", { name: "KV cache" })).toHaveAttribute("value", "0.42");
    expect(first.getByRole("meter", { name: "In flight" })).toHaveAttribute("aria-valuetext", "3 of 256");
    expect(first.getByText("1 waiting")).toBeVisible();
    expect(first.getByText("provider timeout 2")).toBeVisible();
  });

  test("says why a server is out and when it is asked again", async () => {
    open("/gateway");
    expect(await screen.findByText("Nothing listens on gpu-2:8000.")).toBeVisible();
    expect(screen.getByText("It is asked again in 2 s.")).toBeVisible();
    expect(screen.getByText("5 requests waiting in line")).toBeVisible();
  });

  test("shows failures by class and the time to the first token", async () => {
    open("/gateway");
    const row = within(await screen.findByRole("row", { name: /big-model/ }));
    expect(row.getAllByRole("cell").map((cell) => cell.textContent)).toEqual(["91", "34 ms", "1.5 s"]);
    expect(screen.getByText("overloaded 4")).toBeVisible();
    expect(screen.getByText("truncated 1")).toBeVisible();
  });

  test("without a gateway says how to start one", async () => {
    const error = {
      error: "Nothing listens on 127.0.0.1:8200",
      code: "connection_refused",
      next_step: "Start it.",
    };
    answers({ address: "http://127.0.0.1:8200", used_by: [], status: null, error });
    open("/gateway");
    expect(await screen.findByRole("heading", { name: "No gateway runs" })).toBeVisible();
    expect(screen.getByText("make gateway")).toBeVisible();
    expect(screen.queryByRole("alert")).not.toBeInTheDocument();
  });

  test("is an alarm where requests need the gateway and it is gone", async () => {
    const error = {
      error: "Nothing listens on 127.0.0.1:8200",
      code: "connection_refused",
      next_step: "Start it.",
    };
    answers({ address: "http://127.0.0.1:8200", used_by: ["vLLM"], status: null, error });
    open("/gateway");
    expect(await screen.findByRole("alert")).toHaveTextContent("none of them is answered now");
  });

  test("names the fallbacks and what is wrong with one", async () => {
    const ill = {
      ...WELL,
      provider: "beta",
      healthy: false,
      models: [],
      last_error: { error: "Beta API key not found", code: "configuration", next_step: "Enter BETA_KEY." },
    };
    answers(running, { status: "ok", enabled: true, primary: WELL, fallbacks: [ill] });
    open("/gateway");
    const chain = within(await screen.findByRole("region", { name: "Who answers questions" }));
    expect(chain.getByText("Fallback 1")).toBeVisible();
    expect(chain.getByText(/Beta API key not found/)).toBeVisible();
  });
});

describe("the chain of fallbacks", () => {
  beforeEach(() => answers(running));

  test("is changed in one form", async () => {
    const saves = recordSaves();
    const { user } = open("/gateway");
    await user.click(await screen.findByRole("button", { name: "Change" }));
    await user.click(screen.getByRole("checkbox", { name: /Ask other providers/ }));
    await user.type(screen.getByRole("textbox", { name: "Providers to ask then" }), "beta, alpha");
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByRole("button", { name: "Change" })).toBeVisible();
    expect(saves).toEqual([{ values: { ENABLE_FALLBACK: "true", FALLBACK_CHAIN: "beta, alpha" } }]);
  });

  test("says at its field what the server refuses", async () => {
    const detail = {
      error: "FALLBACK_CHAIN names 'x', which is no provider.",
      code: "invalid_input",
      field: "FALLBACK_CHAIN",
    };
    server.use(http.put("/api/settings", () => HttpResponse.json({ detail }, { status: 422 })));
    const { user } = open("/gateway");
    await user.click(await screen.findByRole("button", { name: "Change" }));
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("which is no provider");
  });
});

test.each([
  [["chat", "completions"], "Generates"],
  [["embeddings", "rerank"], "Embeds"],
  [["rerank", "score"], "Reranks"],
  [["chat", "embeddings"], "Generates and embeds"],
])("%j is called %s", (abilities, word) => {
  expect(kindOf({ abilities })).toBe(word);
});

test("seconds have the unit that fits", () => {
  expect([seconds(0.034), seconds(1.53), seconds(null)]).toEqual(["34 ms", "1.5 s", "–"]);
});
