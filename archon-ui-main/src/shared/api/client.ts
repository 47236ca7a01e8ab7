import type { z } from "zod";
import { errorOf, unreachable, unreadable } from "./errors";

export interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent as JSON. */
  json?: unknown;
  form?: FormData;
  /** Sent as it stands. */
  content?: Blob;
  signal?: AbortSignal;
  accept?: string;
}

/** Sends a request; the response is one with a success status.
 *
 * @throws ApiError when nobody answers or the server refuses; the signal's reason when it was aborted.
 */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: options.accept ?? "application/json" };
  if (options.json !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method: options.method ?? "GET",
    headers,
    body: options.json === undefined ? (options.content ?? options.form) : JSON.stringify(options.json),
    signal: options.signal,
  }).catch((reason: unknown) => {
    throw options.signal?.aborted ? reason : unreachable();
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** The parsed JSON answer.
 *
 * @throws ApiError as `send`, and when the answer does not fit `schema`.
 */
export async function request<S extends z.ZodType>(
  schema: S,
  path: string,
  options: RequestOptions = {},
): Promise<z.output<S>> {
  const response = await send(path, options);
  const parsed = schema.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) throw unreadable(path, parsed.error.issues.map(issueText).join("; "));
  return parsed.data;
}

function issueText(issue: z.core.$ZodIssue): string {
  return `${issue.path.join(".") || "body"}: ${issue.message}`;
}

/** `/api/x?a=1` from its parts; empty, null and undefined values are left out. */
export function withQuery(path: string, values: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  return query.size > 0 ? `${path}?${query}` : path;
}
