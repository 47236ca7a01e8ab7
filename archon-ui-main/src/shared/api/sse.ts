import { ApiError, localError } from "./errors";

export interface SseEvent {
  name: string;
  data: string;
}

/** Turns text that arrives in arbitrary pieces into server-sent events.
 *
 * Lines end in LF, CRLF or CR, also when a CRLF is cut in two; comment lines are dropped; several `data:` lines are
 * joined by a newline; an event without its closing blank line is never handed out.
 */
export class SseParser {
  private rest = "";
  private afterCarriageReturn = false;
  private atStart = true;
  private name = "";
  private data: string[] = [];

  push(piece: string): SseEvent[] {
    const events: SseEvent[] = [];
    for (const line of this.lines(piece)) {
      const event = this.take(line);
      if (event) events.push(event);
    }
    return events;
  }

  private lines(piece: string): string[] {
    let text = piece;
    if (this.atStart && text !== "") {
      this.atStart = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    if (this.afterCarriageReturn && text !== "") {
      if (text.startsWith("\n")) text = text.slice(1);
      this.afterCarriageReturn = false;
    }
    if (text.endsWith("\r")) this.afterCarriageReturn = true;
    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    this.rest = lines.pop() ?? "";
    return lines;
  }

  private take(line: string): SseEvent | null {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.name = value;
    if (field === "data") this.data.push(value);
    return null;
  }

  private dispatch(): SseEvent | null {
    const event = this.data.length > 0 ? { name: this.name || "message", data: this.data.join("\n") } : null;
    this.name = "";
    this.data = [];
    return event;
  }
}

/** The server comments every 10 s of silence; a connection silent for longer than this is dead. */
const SILENCE_MS = 45_000;

async function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  silenceMs: number,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(silent(silenceMs)), silenceMs);
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } finally {
    clearTimeout(timer);
  }
}

function silent(silenceMs: number): ApiError {
  const error = `The connection was silent for ${Math.round(silenceMs / 1000)} s and was given up.`;
  return new ApiError(
    localError("stalled", error, "Try again; check that the server still runs.", true),
    null,
  );
}

/** The events of a response body, as they come. Leaving the loop closes the connection.
 *
 * @throws ApiError `stalled` when nothing, not even a comment, arrives for `silenceMs`.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  silenceMs = SILENCE_MS,
): AsyncGenerator<SseEvent, void, void> {
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, silenceMs);
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
