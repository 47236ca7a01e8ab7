import { screen } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { expect, test } from "vitest";
import { open } from "@/testing/render";
import { server } from "@/testing/server";
import { timeLeft } from "./words";

const ACTIVE = { id: 1, model: "former", dimensions: 8, state: "active", vectors: 90 };
const JOB = { id: "job-9", state: "running", progress: 34, chunks_total: 90, chunks_embedded: 30 };

function spaces(body: object) {
  server.use(http.get("/api/embedding-spaces", () => HttpResponse.json(body)));
}

function posts(): string[] {
  const asked: string[] = [];
  server.use(
    http.post("*", ({ request }) => {
      asked.push(new URL(request.url).pathname);
      return HttpResponse.json({});
    }),
  );
  return asked;
}

test("a change of the embedding model shows how far it is, how long it takes, and can be stopped", async () => {
  const asked = posts();
  spaces({
    spaces: [ACTIVE, { ...ACTIVE, id: 2, model: "newer", state: "building" }],
    chosen: { model: "newer" },
    job: JOB,
  });
  server.use(
    http.get("/api/progress/job-9", () => HttpResponse.json({ details: { estimatedTimeRemaining: 200 } })),
  );
  const { user } = open("/knowledge");
  expect(await screen.findByText("about 3 minutes left")).toBeInTheDocument();
  expect(screen.getByText("30 of 90 passages")).toBeInTheDocument();
  const bar = screen.getByRole("progressbar", { name: "Progress of the new embedding model" });
  expect(bar).toHaveAttribute("aria-valuenow", "34");
  await user.click(screen.getByRole("button", { name: "Stay with the former model" }));
  expect(asked).toEqual(["/api/jobs/job-9/cancel"]);
});

test("a change that was stopped can be begun anew", async () => {
  const asked = posts();
  spaces({
    spaces: [ACTIVE, { ...ACTIVE, id: 2, model: "newer", state: "declined" }],
    chosen: { model: "newer" },
    job: null,
  });
  const { user } = open("/knowledge");
  await user.click(await screen.findByRole("button", { name: "Embed everything with it" }));
  expect(asked).toEqual(["/api/embedding-spaces/change"]);
});

test.each([
  [null, null],
  [20, "less than a minute left"],
  [70, "about 1 minute left"],
  [9000, "about 3 hours left"],
])("%s seconds are said as %s", (seconds, words) => {
  expect(timeLeft(seconds)).toBe(words);
});
