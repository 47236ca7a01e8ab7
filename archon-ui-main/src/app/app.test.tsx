import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { errorBody, SETTINGS } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { server, sourceList } from "@/testing/server";

function firstRun(changes: Partial<typeof SETTINGS.first_run>) {
  const first_run = { ...SETTINGS.first_run, ...changes };
  server.use(http.get("/api/settings", () => HttpResponse.json({ ...SETTINGS, first_run })));
}

describe("access", () => {
  test("a server that demands a token gets it once, and the page keeps nothing of it", async () => {
    let authenticated = false;
    server.use(
      http.get("/api/session", () => HttpResponse.json({ required: true, authenticated })),
      http.post("/api/session", async ({ request }) => {
        authenticated = JSON.stringify(await request.json()) === '{"token":"good"}';
        return HttpResponse.json({ required: true, authenticated });
      }),
    );
    const { user } = open("/knowledge");
    await user.type(await screen.findByLabelText("Token"), "good{Enter}");
    expect(await screen.findByRole("heading", { name: "Knowledge" })).toBeInTheDocument();
    expect(JSON.stringify({ ...localStorage, ...sessionStorage })).not.toContain("good");
  });

  test("a wrong token is refused at its field", async () => {
    const detail = errorBody({ error: "The token is wrong.", code: "token_required" });
    server.use(
      http.get("/api/session", () => HttpResponse.json({ required: true, authenticated: false })),
      http.post("/api/session", () => HttpResponse.json({ detail }, { status: 401 })),
    );
    const { user } = open("/");
    const token = await screen.findByLabelText("Token");
    await user.type(token, "bad{Enter}");
    await waitFor(() => expect(token).toHaveAccessibleDescription(/The token is wrong\./));
  });

  test("a session that ran out leads back to signing in", async () => {
    let authenticated = true;
    server.use(
      http.get("/api/session", () => HttpResponse.json({ required: true, authenticated })),
      http.get("/api/knowledge-items/summary", () => {
        authenticated = false;
        return HttpResponse.json({ detail: errorBody({ code: "token_required" }) }, { status: 401 });
      }),
    );
    open("/knowledge");
    expect(await screen.findByRole("heading", { name: "Sign in to Archon" })).toBeInTheDocument();
  });
});

describe("a server that does not answer", () => {
  test("is named in a banner, and everything goes on when it is back", async () => {
    server.use(http.get("/api/*", () => HttpResponse.error()));
    const { user } = open("/knowledge");
    expect(await screen.findByRole("button", { name: "Try now" })).toBeInTheDocument();
    server.resetHandlers();
    await user.click(screen.getByRole("button", { name: "Try now" }));
    expect(await screen.findByRole("link", { name: "Python reference" })).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Try now" })).not.toBeInTheDocument();
  });

  test("an answer of another form is said, not shown half", async () => {
    server.use(http.get("/api/settings", () => HttpResponse.json({ services: 7 })));
    open("/settings");
    expect(await screen.findByText(/is not what this page expects/)).toBeInTheDocument();
  });
});

describe("the first visit", () => {
  test("opens the guide at the step that is next", async () => {
    firstRun({ provider_chosen: false, knowledge: false, question_asked: false });
    open("/");
    const step = (await screen.findByRole("heading", { name: /Choose who serves your models/ })).closest(
      "li",
    );
    expect(step).toHaveAttribute("aria-current", "step");
    expect(screen.getByRole("link", { name: "Choose a provider" })).toHaveAttribute("href", "/settings");
  });

  test("checks both services in one go", async () => {
    firstRun({ knowledge: false, question_asked: false });
    server.use(
      http.get("/api/providers/alpha/status", () =>
        HttpResponse.json({ ok: false, reason: "No.", provider: "alpha" }),
      ),
      http.post("/api/providers/alpha/check", () =>
        HttpResponse.json({ ok: true, provider: "alpha", service: "x", model: "tiny", dimensions: 384 }),
      ),
    );
    const { user } = open("/onboarding");
    await user.click(await screen.findByRole("button", { name: "Check both" }));
    expect(await screen.findAllByText(/tiny, vectors of 384 dimensions\./)).toHaveLength(2);
  });

  test("offers to add knowledge where nothing is stored", async () => {
    firstRun({ knowledge: false, question_asked: false });
    server.use(http.get("/api/knowledge-items/summary", () => sourceList([])));
    open("/");
    expect(await screen.findByRole("textbox", { name: "Address" })).toBeInTheDocument();
    expect(screen.getByText("Both answer.")).toBeInTheDocument();
  });

  test("that is over leads straight to asking", async () => {
    const { router } = open("/");
    await waitFor(() => expect(router.state.location.pathname).toBe("/ask"));
  });
});

describe("the shell", () => {
  test("tells how the model servers are, and why one is not well", async () => {
    server.use(
      http.get("/api/providers/alpha/status", () =>
        HttpResponse.json({ ok: false, reason: "Nothing listens.", provider: "alpha" }),
      ),
      http.get("/health", () =>
        HttpResponse.json(
          { ready: false, version: "1.0", checks: [{ name: "database", ok: false, next_step: "Start it." }] },
          { status: 503 },
        ),
      ),
    );
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: "Model trouble" }));
    expect(await screen.findAllByText("Nothing listens.")).toHaveLength(2);
    expect(await screen.findByText("Start it.")).toBeInTheDocument();
  });

  test("changes its theme and keeps the choice", async () => {
    const { user } = open("/knowledge");
    const toggle = await screen.findByRole("button", { name: /Theme: as the system/ });
    await user.click(toggle);
    await user.click(toggle);
    expect(document.documentElement.dataset.theme).toBe("dark");
    expect(localStorage.getItem("archon.theme")).toBe("dark");
  });

  test("what has no room among the tabs is in a menu, which closes when one goes there", async () => {
    const { user, router } = open("/knowledge");
    const [, tabs] = await screen.findAllByRole("navigation", { name: "Main" });
    expect(within(tabs as HTMLElement).getAllByRole("link")).toHaveLength(4);
    await user.click(within(tabs as HTMLElement).getByRole("button", { name: "More" }));
    await user.click(
      within(screen.getByRole("dialog", { name: "More" })).getByRole("link", { name: "Settings" }),
    );
    await waitFor(() => expect(router.state.location.pathname).toBe("/settings"));
    expect(screen.queryByRole("dialog", { name: "More" })).not.toBeInTheDocument();
  });

  test("a model server that nobody chose yet is no trouble", async () => {
    firstRun({ provider_chosen: false });
    server.use(
      http.get("/api/providers/alpha/status", () =>
        HttpResponse.json({ ok: false, reason: "No key.", provider: "alpha" }),
      ),
    );
    open("/knowledge");
    expect(await screen.findByRole("button", { name: "No models yet" })).toBeInTheDocument();
  });

  test("the first Tab leads past the navigation", async () => {
    const { user } = open("/knowledge");
    await screen.findByRole("heading", { name: "Knowledge" });
    await user.tab();
    expect(screen.getByRole("link", { name: "Skip to the content" })).toHaveFocus();
  });

  test("a new page takes the focus", async () => {
    const { user } = open("/knowledge");
    await user.click((await screen.findAllByRole("link", { name: "Settings" }))[0] as HTMLElement);
    await waitFor(() => expect(screen.getByRole("main")).toHaveFocus());
  });

  test("an unknown address says so", async () => {
    open("/nowhere");
    expect(await screen.findByRole("heading", { name: "There is no such page" })).toBeInTheDocument();
  });
});
