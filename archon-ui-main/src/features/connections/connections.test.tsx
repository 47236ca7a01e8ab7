import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { errorBody } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { server } from "@/testing/server";

const SETTINGS_ONE = {
  id: "settings:llm",
  name: "First provider",
  provider: "one",
  provider_label: "First provider",
  base_url: "http://127.0.0.1:8101/v1",
  model: null,
  has_key: false,
  timeout: 120,
  max_tokens: null,
  temperature: null,
  is_local: true,
  is_default: true,
  read_only: true,
  ready: true,
  problem: null,
};
const LAB = { ...SETTINGS_ONE, id: "lab", name: "Lab", is_default: false, read_only: false, has_key: true };
const FIELDS = [
  { key: "name", label: "Name", kind: "text", required: true },
  { key: "base_url", label: "Server address", kind: "url" },
  { key: "provider", label: "Kind", kind: "choice", required: true, choices: ["one"] },
  { key: "api_key", label: "API key", kind: "secret" },
  { key: "model", label: "Model", kind: "model" },
  { key: "timeout", label: "Time-out in seconds", kind: "integer", default: "120" },
];
const LIST = {
  connections: [SETTINGS_ONE, LAB],
  default: "settings:llm",
  fields: FIELDS,
  providers: [{ id: "one", label: "First provider", local: true }],
};
const MODELS = { models: [{ name: "small", max_model_len: 2048, dimensions: null }] };

function serve() {
  const sent: unknown[] = [];
  const record = async ({ request }: { request: Request }) => {
    sent.push(await request.json());
    return HttpResponse.json(LAB);
  };
  server.use(
    http.get("/api/connections", () => HttpResponse.json(LIST)),
    http.get("/api/connections/:id/models", () => HttpResponse.json(MODELS)),
    http.post("/api/connections", record),
    http.put("/api/connections/lab", record),
  );
  return sent;
}

async function openPage() {
  const opened = open("/connections");
  await screen.findByRole("listitem", { name: "Lab" });
  return opened;
}

describe("the list", () => {
  test("shows each connection with the state of its server", async () => {
    serve();
    await openPage();
    const lab = screen.getByRole("listitem", { name: "Lab" });
    expect(await within(lab).findByText("Answers, with 1 model")).toBeInTheDocument();
    expect(within(lab).getByRole("img", { name: "Has an API key" })).toBeInTheDocument();
  });

  test("says why a server does not answer and what to do", async () => {
    serve();
    const detail = errorBody({ error: "Nothing listens there.", next_step: "Start it." });
    server.use(http.get("/api/connections/lab/models", () => HttpResponse.json({ detail }, { status: 503 })));
    await openPage();
    const lab = screen.getByRole("listitem", { name: "Lab" });
    expect(await within(lab).findByText("Nothing listens there.")).toBeInTheDocument();
    expect(within(lab).getByText("Start it.")).toBeInTheDocument();
  });

  test("lets those of Settings be changed only there", async () => {
    serve();
    await openPage();
    const chosen = screen.getByRole("listitem", { name: "First provider" });
    expect(within(chosen).queryByRole("button", { name: /Edit|Delete/ })).toBeNull();
    expect(within(chosen).getByRole("link", { name: "Change in Settings" })).toHaveAttribute(
      "href",
      "/settings",
    );
  });
});

describe("the form", () => {
  test("is filled by asking the server what it is", async () => {
    const sent = serve();
    const values = { provider: "one", base_url: "http://gpu:8000", model: "small" };
    const found = {
      provider: "one",
      label: "First provider",
      version: "1.2",
      ...MODELS,
      problem: null,
      values,
    };
    server.use(http.post("/api/connections/detect", () => HttpResponse.json(found)));
    const { user } = await openPage();
    await user.click(screen.getByRole("button", { name: "Add connection" }));
    await user.type(screen.getByRole("textbox", { name: /Server address/ }), "gpu:8000/v1");
    await user.click(screen.getByRole("button", { name: "Detect" }));
    expect(await screen.findByText(/This is First provider 1.2; it offers 1 model/)).toBeInTheDocument();
    await user.type(screen.getByRole("textbox", { name: "Name" }), "GPU");
    await user.click(screen.getByRole("button", { name: "Add" }));
    await waitFor(() => expect(sent).toEqual([{ name: "GPU", ...values, timeout: null }]));
  });

  test("keeps a stored key that nobody touched, and shows an error at its field", async () => {
    const sent = serve();
    const detail = errorBody({
      error: "The address changed.",
      field: "api_key",
      next_step: "Enter the key.",
    });
    server.use(
      http.put("/api/connections/lab", async ({ request }) => {
        sent.push(await request.json());
        return HttpResponse.json({ detail }, { status: 422 });
      }),
    );
    const { user } = await openPage();
    await user.click(screen.getByRole("button", { name: "Edit Lab" }));
    await user.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("The address changed. Enter the key.");
    expect(sent[0]).not.toHaveProperty("api_key");
  });
});

describe("a file", () => {
  test("that is good says what became of it", async () => {
    serve();
    const done = { created: ["a", "b"], replaced: [], kept: [], keys_dropped: ["lab"], ignored: [] };
    server.use(http.post("/api/connections/import", () => HttpResponse.json(done)));
    const { user } = await openPage();
    await user.click(screen.getByRole("button", { name: "Import" }));
    await user.upload(
      screen.getByLabelText("Choose a connections file"),
      new File(["{}"], "llm_connections.json"),
    );
    expect(await screen.findByText("a, b")).toBeInTheDocument();
    expect(screen.getByText(/Without their former key/)).toHaveTextContent("lab");
  });

  test("that is bad is refused with its place", async () => {
    serve();
    const detail = errorBody({ error: "connections[1]: 'file' is not a scheme that model servers speak" });
    server.use(http.post("/api/connections/import", () => HttpResponse.json({ detail }, { status: 422 })));
    const { user } = await openPage();
    await user.click(screen.getByRole("button", { name: "Import" }));
    await user.upload(screen.getByLabelText("Choose a connections file"), new File(["{}"], "x.json"));
    expect(await screen.findByRole("alert")).toHaveTextContent("connections[1]");
  });
});
