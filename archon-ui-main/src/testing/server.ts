import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { PROVIDERS, SETTINGS, SOURCE } from "./fixtures";

/** A list of sources as the server pages it. */
export function sourceList(items: unknown[]) {
  return HttpResponse.json({ items, total: items.length, page: 1, per_page: 20, pages: 1 });
}

/** A server at rest: everything set up, one source, nothing running. Tests say what differs. */
export const server = setupServer(
  http.get("/api/session", () => HttpResponse.json({ required: false, authenticated: true })),
  http.get("/api/health", () => HttpResponse.json({ status: "healthy", ready: true })),
  http.get("/api/settings", () => HttpResponse.json(SETTINGS)),
  http.get("/api/providers", () => HttpResponse.json({ providers: PROVIDERS })),
  http.get("/api/providers/:id/status", ({ params }) =>
    HttpResponse.json({ ok: true, reason: null, provider: params.id }),
  ),
  http.get("/api/knowledge-items/summary", () => sourceList([SOURCE])),
  http.get("/api/embedding-spaces", () =>
    HttpResponse.json({ spaces: [], chosen: { model: null, problem: null }, job: null }),
  ),
  http.get("/api/knowledge-items/:id/schedule", () =>
    HttpResponse.json({ every_hours: null, next_refresh_at: null }),
  ),
  http.get("/api/progress/", () => HttpResponse.json({ operations: [], count: 0 })),
  http.get("/api/connections", () =>
    HttpResponse.json({ connections: [], default: null, fields: [], providers: [] }),
  ),
  http.get("/api/migrations/status", () =>
    HttpResponse.json({ has_pending: false, pending_migrations: [], archon_v1_pending: 0, next_step: null }),
  ),
  http.get("/api/chat/conversations", () => HttpResponse.json({ conversations: [] })),
);

/** Server-sent events that a test sends when it likes. */
export function eventStream() {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given;
    },
  });
  return {
    /** With the request's `signal` it breaks off when the page leaves, as a browser's does. */
    response: (signal?: AbortSignal) => {
      signal?.addEventListener("abort", () => controller?.error(signal.reason));
      return new HttpResponse(body, { headers: { "Content-Type": "text/event-stream" } });
    },
    send: (name: string, data: unknown) =>
      controller?.enqueue(encoder.encode(`event: ${name}\r\ndata: ${JSON.stringify(data)}\r\n\r\n`)),
    end: () => controller?.close(),
  };
}

/** Answers every save with the settings and keeps what was sent. */
export function recordSaves(): unknown[] {
  const saves: unknown[] = [];
  server.use(
    http.put("/api/settings", async ({ request }) => {
      saves.push(await request.json());
      return HttpResponse.json(SETTINGS);
    }),
  );
  return saves;
}
