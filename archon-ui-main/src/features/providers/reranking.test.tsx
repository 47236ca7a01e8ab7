import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { SETTINGS } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { recordSaves, server } from "@/testing/server";

const saveButton = () => screen.findByRole("button", { name: "Save changes" });

describe("reranking", () => {
  const reranking = () => screen.findByRole("region", { name: "Reranking" });

  test("is nobody's until somebody is chosen, and can be checked then", async () => {
    const saves = recordSaves();
    const { user } = open("/settings");
    const panel = within(await reranking());
    expect(panel.getByRole("radio", { name: "Nobody" })).toBeChecked();
    expect(panel.queryByRole("button", { name: /Check/ })).not.toBeInTheDocument();
    await user.click(panel.getByRole("radio", { name: "Alpha" }));
    expect(panel.getByRole("textbox", { name: /Rerank address/ })).toBeEnabled();
    expect(panel.getByRole("button", { name: "Check reranking" })).toBeEnabled();
    await user.click(await saveButton());
    await waitFor(() => expect(saves).toEqual([{ values: { RERANK_PROVIDER: "alpha" } }]));
  });

  test("can be given up again", async () => {
    const saves = recordSaves();
    const stored = { value: "alpha", source: "database", secret: false, has_value: true, state: "ok" };
    const rerank = { ...SETTINGS.services.rerank, provider: "alpha", ready: true };
    server.use(
      http.get("/api/settings", () =>
        HttpResponse.json({
          ...SETTINGS,
          services: { ...SETTINGS.services, rerank },
          values: { ...SETTINGS.values, RERANK_PROVIDER: stored },
        }),
      ),
    );
    const { user } = open("/settings");
    await user.click(within(await reranking()).getByRole("radio", { name: "Nobody" }));
    await user.click(await saveButton());
    await waitFor(() => expect(saves).toEqual([{ values: { RERANK_PROVIDER: null } }]));
  });

  test("is absent where the server does not speak of it", async () => {
    const { rerank: _, ...services } = SETTINGS.services;
    server.use(http.get("/api/settings", () => HttpResponse.json({ ...SETTINGS, services })));
    open("/settings");
    expect(within(await reranking()).getByRole("radio", { name: "Nobody" })).toBeChecked();
  });
});
