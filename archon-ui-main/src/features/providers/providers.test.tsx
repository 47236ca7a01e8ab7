import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { errorBody, SETTINGS } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { recordSaves, server } from "@/testing/server";

const PASSWORD = { selector: "input[type=password]" };

const chat = () => screen.findByRole("region", { name: "Chat" });
const embeddings = () => screen.findByRole("region", { name: "Embeddings" });
const saveButton = () => screen.findByRole("button", { name: "Save changes" });

function result(changes: object) {
  const empty = {
    latency_ms: null,
    server: null,
    model: null,
    max_model_len: null,
    dimensions: null,
    models: [],
  };
  return {
    ok: true,
    provider: "alpha",
    service: "llm",
    base_url: null,
    findings: [],
    error: null,
    ...empty,
    ...changes,
  };
}

const FAILED = result({
  ok: false,
  findings: [
    { step: "address", ok: true, message: "Understood." },
    {
      step: "connection",
      ok: false,
      message: "Nobody is there.",
      next_step: "Another server was found.",
      fix: { label: "Use port 9001", values: { ALPHA_URL: "http://127.0.0.1:9001/fixed" } },
    },
  ],
  error: errorBody(),
});

describe("the form", () => {
  test("is drawn from the fields that the provider declares", async () => {
    const { user } = open("/settings");
    const panel = within(await chat());
    expect(panel.getByRole("textbox", { name: /Server address/ })).toHaveValue("http://127.0.0.1:9001");
    expect(panel.getByRole("combobox", { name: /Chat model/ })).toHaveValue("");
    await user.click(panel.getByRole("radio", { name: "Beta" }));
    expect(panel.getByLabelText(/Cloud key/, PASSWORD)).toBeEnabled();
    expect(panel.getByRole("textbox", { name: /Tries/ })).toHaveAttribute("placeholder", "3");
    expect(panel.getByRole("checkbox", { name: /Fast lane/ })).not.toBeChecked();
  });

  test("offers a provider only for what it can do", async () => {
    open("/settings");
    expect(within(await chat()).getAllByRole("radio")).toHaveLength(2);
    expect(within(await embeddings()).getAllByRole("radio")).toHaveLength(1);
  });

  test("says in words what state each provider is in", async () => {
    open("/settings");
    const panel = within(await chat());
    expect(await panel.findByText("In use, answers")).toBeInTheDocument();
    expect(panel.getByText("Needs: Cloud key")).toBeInTheDocument();
  });

  test("shows the server's warnings beside the provider", async () => {
    open("/settings");
    expect(within(await embeddings()).getByRole("note")).toHaveTextContent("It reads 256 tokens at once.");
  });

  test("a blank model shows the one that was discovered", async () => {
    open("/settings");
    expect(within(await chat()).getByText(/Discovered: left blank/)).toHaveTextContent("tiny-chat");
  });

  test("models come from the server, and any other name can be typed", async () => {
    server.use(
      http.post("/api/providers/alpha/models", () => HttpResponse.json({ models: [{ name: "tiny-chat" }] })),
    );
    const { user } = open("/settings");
    const box = within(await chat()).getByRole("combobox", { name: /Chat model/ });
    await user.click(box);
    await user.click(await screen.findByRole("option", { name: /tiny-chat/ }));
    expect(box).toHaveValue("tiny-chat");
    await user.clear(box);
    await user.type(box, "my-own");
    expect(box).toHaveValue("my-own");
  });
});

describe("a secret", () => {
  test("is never shown, only that it is set and from where", async () => {
    open("/settings");
    const panel = within(await chat());
    expect(panel.getByText("Set, saved here")).toBeInTheDocument();
    expect(panel.queryByLabelText(/API key/, PASSWORD)).not.toBeInTheDocument();
  });

  test("can be replaced, and the old one kept after all", async () => {
    const { user } = open("/settings");
    const panel = within(await chat());
    await user.click(panel.getByRole("button", { name: "Replace API key" }));
    await user.type(panel.getByLabelText(/API key/, PASSWORD), "new");
    expect(await saveButton()).toBeEnabled();
    await user.click(panel.getByRole("button", { name: "Keep old" }));
    expect(await saveButton()).toBeDisabled();
  });

  test("is removed only when saved", async () => {
    const saves = recordSaves();
    const { user } = open("/settings");
    await user.click(within(await chat()).getByRole("button", { name: "Remove API key" }));
    expect(screen.getByText("Will be removed when you save.")).toBeInTheDocument();
    await user.click(await saveButton());
    await waitFor(() => expect(saves).toEqual([{ values: { ALPHA_KEY: null } }]));
  });

  test("that cannot be opened any more asks to be entered again", async () => {
    const values = {
      ...SETTINGS.values,
      ALPHA_KEY: { ...SETTINGS.values.ALPHA_KEY, state: "must_be_entered_again" },
    };
    server.use(http.get("/api/settings", () => HttpResponse.json({ ...SETTINGS, values })));
    open("/settings");
    expect(within(await chat()).getByText(/Must be entered again/)).toBeInTheDocument();
  });
});

describe("saving", () => {
  test("is possible only once something has changed", async () => {
    const { user } = open("/settings");
    expect(await saveButton()).toBeDisabled();
    const address = within(await chat()).getByRole("textbox", { name: /Server address/ });
    await user.type(address, "/x");
    expect(await saveButton()).toBeEnabled();
    await user.type(address, "{Backspace}{Backspace}");
    expect(await saveButton()).toBeDisabled();
  });

  test("sends nothing but the changes", async () => {
    const saves = recordSaves();
    const { user } = open("/settings");
    await user.click(within(await chat()).getByRole("radio", { name: "Beta" }));
    await user.type(within(await chat()).getByLabelText(/Cloud key/, PASSWORD), "k");
    await user.click(await saveButton());
    await waitFor(() => expect(saves).toEqual([{ values: { LLM_PROVIDER: "beta", BETA_KEY: "k" } }]));
    expect(await screen.findByText("Saved.")).toBeInTheDocument();
  });

  test("a refusal stands at the field it belongs to", async () => {
    const detail = errorBody({ error: "This is no address.", code: "invalid_input", field: "ALPHA_URL" });
    server.use(http.put("/api/settings", () => HttpResponse.json({ detail }, { status: 422 })));
    const { user } = open("/settings");
    const address = within(await chat()).getByRole("textbox", { name: /Server address/ });
    await user.type(address, "!");
    await user.click(await saveButton());
    await waitFor(() => expect(address).toBeInvalid());
    expect(address).toHaveAccessibleDescription(/This is no address\./);
  });

  test("another embedding model is explained before it is saved", async () => {
    const saves = recordSaves();
    server.use(http.post("/api/providers/alpha/models", () => HttpResponse.json({ models: [] })));
    const { user } = open("/settings");
    await user.type(within(await embeddings()).getByRole("combobox", { name: /Embedding model/ }), "other");
    await user.click(await saveButton());
    const dialog = within(await screen.findByRole("dialog", { name: "Save another embedding model?" }));
    expect(dialog.getByRole("note")).toHaveTextContent(/tiny-embed/);
    expect(saves).toEqual([]);
    await user.click(dialog.getByRole("button", { name: "Save and change the model" }));
    await waitFor(() => expect(saves).toEqual([{ values: { ALPHA_EMBEDDING_MODEL: "other" } }]));
  });

  test("leaving with unsaved changes asks, and staying keeps them", async () => {
    const { user, router } = open("/settings");
    const address = within(await chat()).getByRole("textbox", { name: /Server address/ });
    await user.type(address, "/x");
    await user.click(screen.getAllByRole("link", { name: "Knowledge" })[0] as HTMLElement);
    await user.click(await screen.findByRole("button", { name: "Stay here" }));
    expect(router.state.location.pathname).toBe("/settings");
    expect(address).toHaveValue("http://127.0.0.1:9001/x");
  });
});

describe("a check", () => {
  test("asks with what stands in the form, saved or not", async () => {
    let asked: unknown;
    server.use(
      http.post("/api/providers/alpha/check", async ({ request }) => {
        asked = await request.json();
        return HttpResponse.json(result({ model: "tiny-chat", max_model_len: 2048, latency_ms: 212 }));
      }),
    );
    const { user } = open("/settings");
    await user.type(within(await chat()).getByRole("textbox", { name: /Server address/ }), "/v1");
    await user.click(screen.getByRole("button", { name: "Check chat" }));
    expect(await screen.findByText("2,048 tokens")).toBeInTheDocument();
    expect(screen.getByText("212 ms")).toBeInTheDocument();
    expect(asked).toEqual({ service: "llm", values: { ALPHA_URL: "http://127.0.0.1:9001/v1" } });
  });

  test("that fails says in words which step failed and what to do", async () => {
    server.use(http.post("/api/providers/alpha/check", () => HttpResponse.json(FAILED)));
    const { user } = open("/settings");
    await user.click(await screen.findByRole("button", { name: "Check chat" }));
    const findings = within(await screen.findByRole("list", { name: "Findings" }));
    expect(findings.getByText(/address/).closest("li")).toHaveTextContent("address passed: Understood.");
    expect(findings.getByText(/connection/).closest("li")).toHaveTextContent(
      "connection failed: Nobody is there.",
    );
    expect(screen.getByRole("alert")).toHaveTextContent("Next step: Check the port.");
  });

  test("that passes still says how to get what the server lacks", async () => {
    const tools = { step: "tools", ok: true, message: "Switched off.", next_step: "Start it with --tools." };
    server.use(
      http.post("/api/providers/alpha/check", () => HttpResponse.json(result({ findings: [tools] }))),
    );
    const { user } = open("/settings");
    await user.click(await screen.findByRole("button", { name: "Check chat" }));
    const findings = await screen.findByRole("list", { name: "Findings" });
    expect(findings).toHaveTextContent("tools passed: Switched off.");
    expect(findings).toHaveTextContent("For more: Start it with --tools.");
  });

  test("offers a fix that goes into the form with one click", async () => {
    server.use(http.post("/api/providers/alpha/check", () => HttpResponse.json(FAILED)));
    const { user } = open("/settings");
    await user.click(await screen.findByRole("button", { name: "Check chat" }));
    await user.click(await screen.findByRole("button", { name: "Use port 9001" }));
    const address = within(await chat()).getByRole("textbox", { name: /Server address/ });
    expect(address).toHaveValue("http://127.0.0.1:9001/fixed");
    expect(screen.getByText("The values were changed since this check.")).toBeInTheDocument();
    expect(await saveButton()).toBeEnabled();
  });

  test("can be stopped while it runs", async () => {
    server.use(http.post("/api/providers/alpha/check", () => new Promise<never>(() => undefined)));
    const { user } = open("/settings");
    await user.click(await screen.findByRole("button", { name: "Check chat" }));
    expect(await screen.findByText(/Asking Alpha/)).toBeInTheDocument();
    await user.click(screen.getByRole("button", { name: "Stop checking" }));
    expect(screen.queryByText(/Asking Alpha/)).not.toBeInTheDocument();
  });
});

test("a provider is chosen and saved with the keyboard alone", async () => {
  const saves = recordSaves();
  const { user } = open("/settings");
  within(await chat())
    .getByRole("radio", { name: "Alpha" })
    .focus();
  await user.keyboard("{ArrowRight}");
  expect(within(await chat()).getByRole("radio", { name: "Beta" })).toBeChecked();
  await user.tab();
  await user.keyboard("secret{Enter}");
  await waitFor(() => expect(saves).toEqual([{ values: { LLM_PROVIDER: "beta", BETA_KEY: "secret" } }]));
});
