import { z } from "zod";

/** The body of every failure the server reports (`detail` in REST). */
export const ErrorBody = z.object({
  error: z.string(),
  code: z.string().catch("internal"),
  retryable: z.boolean().catch(false),
  next_step: z.string().nullish().catch(null),
  provider: z.string().nullish().catch(null),
  /** The id of the connection that was asked. */
  connection: z.string().nullish().catch(null),
  operation: z.string().nullish().catch(null),
  url: z.string().nullish().catch(null),
  model: z.string().nullish().catch(null),
  status: z.number().nullish().catch(null),
  attempts: z.number().nullish().catch(null),
  elapsed_s: z.number().nullish().catch(null),
  field: z.string().nullish().catch(null),
  upstream_message: z.string().nullish().catch(null),
  request_id: z.string().nullish().catch(null),
});
export type ErrorBody = z.infer<typeof ErrorBody>;

/** Nobody answered at all; every other failure has an HTTP status. */
export const UNREACHABLE = "server_unreachable";
const UNREADABLE = "unexpected_answer";
const TOKEN_REQUIRED = "token_required";

/** A failed request: one sentence, what to do next, and where it happened. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly body: ErrorBody,
    readonly httpStatus: number | null,
  ) {
    super(body.error);
  }

  get isUnreachable(): boolean {
    return this.body.code === UNREACHABLE;
  }

  get needsToken(): boolean {
    return this.httpStatus === 401 && this.body.code === TOKEN_REQUIRED;
  }
}

const blank: Omit<ErrorBody, "error" | "code" | "next_step" | "retryable"> = {
  provider: null,
  connection: null,
  operation: null,
  url: null,
  model: null,
  status: null,
  attempts: null,
  elapsed_s: null,
  field: null,
  upstream_message: null,
  request_id: null,
};

/** An error body of our own making, for what goes wrong on this side of the wire. */
export function localError(code: string, error: string, next_step: string, retryable = false): ErrorBody {
  return { ...blank, error, code, next_step, retryable };
}

export function unreachable(): ApiError {
  const body = localError(
    UNREACHABLE,
    "Archon's server does not answer.",
    "Start it with “make up” (or “archon up”) and try again.",
    true,
  );
  return new ApiError(body, null);
}

/** A stream that ended without saying so was cut on its way. */
export function streamCut(): ApiError {
  const body = localError(
    "stream_cut",
    "The connection ended before the answer did.",
    "Ask again; if it stays, check that Archon's server still runs.",
    true,
  );
  return new ApiError(body, null);
}

export function unreadable(path: string, reason: string): ApiError {
  const body = localError(
    UNREADABLE,
    `The answer of ${path} is not what this page expects.`,
    "Reload the page. If it stays, the page and the server are of different versions: restart with “make up”.",
  );
  return new ApiError({ ...body, upstream_message: reason }, null);
}

const Failure = z.object({ detail: z.union([ErrorBody, z.string()]) });

/** Reads a failed response; falls back to its HTTP status where the body is not ours (a proxy's page, say). */
export async function errorOf(response: Response): Promise<ApiError> {
  const request_id = response.headers.get("X-Request-Id");
  const parsed = Failure.safeParse(await response.json().catch(() => null));
  const detail = parsed.success ? parsed.data.detail : `The server answered ${response.status}.`;
  const body =
    typeof detail === "string"
      ? localError(
          `http_${response.status}`,
          detail,
          "Try again; the server's log says more.",
          response.status >= 500,
        )
      : detail;
  return new ApiError({ ...body, request_id: body.request_id ?? request_id }, response.status);
}

/** Any thrown value as an error body that can be shown. */
export function bodyOf(error: unknown): ErrorBody {
  if (error instanceof ApiError) return error.body;
  const message = error instanceof Error ? error.message : String(error);
  return localError("page", `This page failed: ${message}`, "Reload the page.");
}
