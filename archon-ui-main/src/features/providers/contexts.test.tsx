import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { SETTINGS } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { recordSaves, server } from "@/testing/server";

const embeddings = async () => within(await screen.findByRole("region", { name: "Embeddings" }));
const COST = /one call of the chat model for each passage/;

/** A server on which contextual embeddings are `wanted`. */
function serving(wanted: string) {
  const value = (text: string) => ({
    value: text,
    source: "default",
    secret: false,
    has_value: true,
    state: "ok",
  });
  const own = { USE_CONTEXTUAL_EMBEDDINGS: value(wanted), CONTEXTUAL_EMBEDDINGS_MAX_WORKERS: value("3") };
  const settings = { ...SETTINGS, values: { ...SETTINGS.values, ...own } };
  server.use(http.get("/api/settings", () => HttpResponse.json(settings)));
}

describe("contextual embeddings", () => {
  test("are switched on with their price beside them", async () => {
    serving("false");
    const saves = recordSaves();
    const { user } = open("/settings");
    const panel = await embeddings();
    expect(panel.queryByText(COST)).not.toBeInTheDocument();
    await user.click(panel.getByRole("checkbox", { name: "Contextual embeddings" }));
    expect(panel.getByText(COST)).toBeVisible();
    await user.type(panel.getByRole("textbox", { name: /Calls for contexts at once/ }), "8");
    await user.click(screen.getByRole("button", { name: "Save changes" }));
    const values = { USE_CONTEXTUAL_EMBEDDINGS: "true", CONTEXTUAL_EMBEDDINGS_MAX_WORKERS: "8" };
    await waitFor(() => expect(saves).toEqual([{ values }]));
  });

  test("are switched off again", async () => {
    serving("true");
    const saves = recordSaves();
    const { user } = open("/settings");
    await user.click((await embeddings()).getByRole("checkbox", { name: "Contextual embeddings" }));
    await user.click(screen.getByRole("button", { name: "Save changes" }));
    await waitFor(() => expect(saves).toEqual([{ values: { USE_CONTEXTUAL_EMBEDDINGS: "false" } }]));
  });
});
