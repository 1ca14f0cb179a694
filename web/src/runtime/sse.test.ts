import { expect, it } from "vitest";
import { createSseParser, readSse, type SseEvent } from "./sse";

const STREAM =
  ': hello\n\nevent: delta\nid: 1-3\ndata: {"text": "äö\\n"}\n\nretry: 9\ndata: a\ndata:b\r\n\r\n';
const EVENTS: SseEvent[] = [
  { name: "delta", id: "1-3", data: '{"text": "äö\\n"}' },
  { name: "message", id: null, data: "a\nb" },
];

it("events are the same however the stream is cut", () => {
  for (let at = 0; at <= STREAM.length; at += 1) {
    const parser = createSseParser();
    const events = [...parser.push(STREAM.slice(0, at)), ...parser.push(STREAM.slice(at))];
    expect(events).toEqual(EVENTS);
  }
});

it("an event that was cut off is none", () => {
  expect(createSseParser().push("event: end\ndata: {}\n")).toEqual([]);
});

it("characters that are cut between bytes come out whole", async () => {
  const bytes = new TextEncoder().encode(STREAM);
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events: SseEvent[] = [];
  for await (const event of readSse(new Response(body))) events.push(event);
  expect(events).toEqual(EVENTS);
});

it("a comment is heard, though it is no event", async () => {
  let heard = 0;
  const events: SseEvent[] = [];
  for await (const event of readSse(new Response(": nothing yet\n\n"), () => {
    heard += 1;
  })) {
    events.push(event);
  }
  expect(heard).toBe(1);
  expect(events).toEqual([]);
});
