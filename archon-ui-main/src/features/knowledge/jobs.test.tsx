import { screen, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, test } from "vitest";
import { SOURCE } from "@/testing/fixtures";
import { open } from "@/testing/render";
import { server } from "@/testing/server";
import { work } from "./api/work";

const OUTCOME = {
  pages_stored: 3,
  pages_unchanged: 1,
  pages_failed: 2,
  pages_removed: 1,
  pages_skipped: 0,
  chunks_stored: 41,
};
const JOB = {
  id: "job-1",
  kind: "crawl",
  state: "completed",
  source_id: "s1",
  name: "https://docs.example.org",
  progress: 100,
  can_retry: true,
  embeddings_reused: 5,
  outcome: OUTCOME,
  created_at: "2026-11-21T10:00:00Z",
};

function jobs(...items: unknown[]) {
  server.use(http.get("/api/jobs", () => HttpResponse.json({ jobs: items, total: items.length })));
}

/** Answers every request to steer a job, and keeps what was asked. */
function steering(): string[] {
  const asked: string[] = [];
  server.use(
    http.post("/api/jobs/:id/:verb", ({ params }) => {
      asked.push(`${params.id} ${params.verb}`);
      return HttpResponse.json(JOB);
    }),
  );
  return asked;
}

describe("the history", () => {
  test("says what became of the pages, each with its reason", async () => {
    jobs(JOB);
    const pages = [
      { url: "https://docs.example.org/gone", state: "failed", reason: { error: "It answered 500." } },
    ];
    server.use(
      http.get("/api/jobs/job-1/pages", () =>
        HttpResponse.json({ pages, total: 1, counts: { stored: 3, failed: 2 } }),
      ),
    );
    const { user } = open("/history");
    const row = (await screen.findByText(/3 pages stored as 41 passages/)).closest("li") as HTMLElement;
    expect(row).toHaveTextContent("1 unchanged, 2 failed, 1 removed, 5 embeddings reused.");
    await user.click(within(row).getByText("What became of each page"));
    expect(await within(row).findByText("It answered 500.")).toBeInTheDocument();
    expect(within(row).getByRole("option", { name: "failed (2)" })).toBeInTheDocument();
  });

  test("says what was left out of the site", async () => {
    const line = "The limit of 200 pages was reached; at least 31 more addresses were found.";
    jobs({ ...JOB, remarks: [line] });
    open("/history");
    expect(await screen.findByRole("list", { name: "Left out" })).toHaveTextContent(line);
  });

  test("offers what fits the job's state", async () => {
    const asked = steering();
    jobs(
      { ...JOB, id: "a", state: "running", can_pause: true, can_cancel: true, can_retry: false },
      { ...JOB, id: "b", state: "paused", can_resume: true, can_cancel: true, can_retry: false },
    );
    const { user } = open("/history");
    await user.click(await screen.findByRole("button", { name: /^Pause/ }));
    await user.click(screen.getByRole("button", { name: /^Resume/ }));
    expect(asked).toEqual(["a pause", "b resume"]);
    expect(screen.queryByRole("button", { name: /^Retry/ })).not.toBeInTheDocument();
  });

  test("is empty, and says so", async () => {
    jobs();
    open("/history");
    expect(await screen.findByText("Nothing was done yet")).toBeInTheDocument();
  });
});

describe("work that ended with failures", () => {
  test("can be retried from its card", async () => {
    const asked = steering();
    const outcome = { ...OUTCOME, failures: [] };
    server.use(
      http.get("/api/progress/job-1", () =>
        HttpResponse.json({ progressId: "job-1", status: "completed", progress: 100, outcome }),
      ),
      http.get("/api/progress/job-1/events", () => new HttpResponse(null, { status: 503 })),
    );
    work.add("job-1", "https://docs.example.org");
    const { user } = open("/knowledge");
    await user.click(await screen.findByRole("button", { name: /^Retry what failed/ }));
    expect(asked).toEqual(["job-1 retry"]);
  });
});

describe("a schedule", () => {
  test("is chosen on the source's page", async () => {
    const asked: unknown[] = [];
    server.use(
      http.get("/api/knowledge-items/py", () => HttpResponse.json({ ...SOURCE, problems: [] })),
      http.put("/api/knowledge-items/:id/schedule", async ({ request }) => {
        asked.push(await request.json());
        return HttpResponse.json({ every_hours: 24, next_refresh_at: "2099-01-01T00:00:00Z" });
      }),
    );
    const { user } = open("/sources/py");
    await user.selectOptions(await screen.findByRole("combobox", { name: /^Read anew/ }), "Every day");
    expect(await screen.findByText(/^next on/)).toBeInTheDocument();
    expect(asked).toEqual([{ every_hours: 24 }]);
  });
});
