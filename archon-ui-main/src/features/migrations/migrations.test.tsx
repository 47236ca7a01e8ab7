import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { open } from "@/testing/render";
import { server } from "@/testing/server";

const WELL = { has_pending: false, pending_migrations: [], archon_v1_pending: 0, next_step: null };

function told(body: object) {
  const asked = { count: 0 };
  server.use(
    http.get("/api/migrations/status", () => {
      asked.count += 1;
      return HttpResponse.json({ ...WELL, ...body });
    }),
  );
  return asked;
}

describe("the note about the database", () => {
  test("is not there while nothing is to be done", async () => {
    const asked = told({});
    open("/knowledge");
    await waitFor(() => expect(asked.count).toBe(1));
    expect(screen.queryByRole("region", { name: "Database" })).toBeNull();
  });

  test("names what is pending and what to do", async () => {
    told({
      has_pending: true,
      pending_migrations: [{ version: "0083", name: "metrics" }],
      next_step: "Run migration/complete_setup.sql.",
    });
    open("/knowledge");
    const note = await screen.findByRole("region", { name: "Database" });
    expect(note).toHaveTextContent("One migration is pending. Run migration/complete_setup.sql.");
    await userEvent.click(screen.getByText("Which ones"));
    expect(screen.getByText("0083_metrics")).toBeVisible();
  });

  test("says what of Archon v1 waits", async () => {
    told({ archon_v1_pending: 1200, next_step: "Run `archon migrate`." });
    open("/knowledge");
    expect(await screen.findByText("1,200 rows of Archon v1 wait.")).toBeVisible();
  });
});
