import { screen, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { keeping, STORED } from "@/testing/conversation";
import { open } from "@/testing/render";
import { server } from "@/testing/server";
import { DEFAULT_SETTINGS } from "./api/schemas";

test("where another connection is the default, it is shown as chosen and that of Settings can be picked", async () => {
  const { changes } = keeping({ ...STORED, settings: DEFAULT_SETTINGS });
  const one = {
    provider: "one",
    provider_label: "One",
    has_key: false,
    timeout: 120,
    is_local: true,
    ready: true,
  };
  const own = {
    ...one,
    id: "settings:llm",
    name: "Settings",
    model: "own",
    is_default: false,
    read_only: true,
  };
  const lab = { ...one, id: "lab", name: "Lab", model: "small", is_default: true, read_only: false };
  server.use(
    http.get("/api/connections", () =>
      HttpResponse.json({ connections: [own, lab], default: "lab", fields: [], providers: [] }),
    ),
    http.get("/api/connections/:id/models", () => HttpResponse.json({ models: [] })),
  );
  const { user } = open("/ask/c1");
  await user.click(await screen.findByRole("button", { name: /^Settings of this conversation,\s*small/ }));
  const chosen = await screen.findByRole("combobox", { name: "Connection" });
  await waitFor(() => expect(chosen).toHaveDisplayValue("Lab"));
  await user.selectOptions(chosen, "Settings");
  await user.click(screen.getByRole("button", { name: "Use these" }));
  await waitFor(() => expect(changes).toMatchObject([{ settings: { connection_id: "settings:llm" } }]));
});

test("a title that the model gives after the answer takes the place of the question's beginning", async () => {
  let looks = 0;
  const named = () => ({ title: looks++ > 1 ? "Waiting for coroutines" : "How do I…", naming: looks < 3 });
  keeping();
  server.use(http.get("/api/chat/conversations/c1", () => HttpResponse.json({ ...STORED, ...named() })));
  open("/ask/c1");
  await screen.findByRole("heading", { name: "How do I…" });
  await screen.findByRole("heading", { name: "Waiting for coroutines" }, { timeout: 20_000 });
  expect(looks).toBe(3);
});
