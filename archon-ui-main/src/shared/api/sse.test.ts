import { describe, expect, test } from "vitest";
import { ApiError } from "./errors";
import { readEvents, type SseEvent, SseParser } from "./sse";

const WIRE =
  ': keep-alive\r\n\r\nevent: token\r\ndata: {"text":"é"}\r\n\r\ndata: one\ndata:two\n\nevent: done\rid: 7\rdata\r\rdata: never';
const EVENTS: SseEvent[] = [
  { name: "token", data: '{"text":"é"}' },
  { name: "message", data: "one\ntwo" },
  { name: "done", data: "" },
];

function parse(pieces: string[]): SseEvent[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

/** Reproducible chance: the same seed cuts at the same places. */
function cuts(text: string, seed: number): string[] {
  const pieces: string[] = [];
  let state = seed;
  for (let at = 0; at < text.length; ) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const length = state % 6;
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return pieces;
}

function streamOf(chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

async function all(events: AsyncIterable<SseEvent>): Promise<SseEvent[]> {
  const found: SseEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

describe("SseParser", () => {
  test("comments, every kind of line end and several data lines are understood", () => {
    expect(parse([WIRE])).toEqual(EVENTS);
  });

  test("a cut at any place changes nothing", () => {
    for (let at = 0; at <= WIRE.length; at += 1) {
      expect(parse([WIRE.slice(0, at), WIRE.slice(at)])).toEqual(EVENTS);
    }
  });

  test("cuts at any number of places change nothing", () => {
    for (let seed = 1; seed <= 300; seed += 1) expect(parse(cuts(WIRE, seed))).toEqual(EVENTS);
  });

  test("one character at a time is as good as all at once", () => {
    expect(parse([...WIRE])).toEqual(EVENTS);
  });

  test("a byte order mark at the start is dropped", () => {
    expect(parse(["\uFEFFdata: x\n\n"])).toEqual([{ name: "message", data: "x" }]);
  });
});

describe("readEvents", () => {
  test("a letter of several bytes may be cut in two", async () => {
    const bytes = new TextEncoder().encode(WIRE);
    const single = [...bytes].map((byte) => Uint8Array.of(byte));
    expect(await all(readEvents(streamOf(single)))).toEqual(EVENTS);
  });

  test("leaving the loop closes the connection", async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("data: x\n\n")),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const _ of readEvents(body)) break;
    expect(cancelled).toBe(true);
  });

  test("a connection that stays silent is given up with a reason", async () => {
    const failure = await all(readEvents(new ReadableStream<Uint8Array>(), 10)).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ApiError);
    expect((failure as ApiError).body.code).toBe("stalled");
  });
});
