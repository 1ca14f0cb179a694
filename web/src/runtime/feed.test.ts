import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Connect, type FeedListener, followFeed, type Line, type Ways } from "./feed";
import { conversation, conversationChange } from "./samples";

const MINUTE_MS = 60_000;

/** A network that lets sockets, or streams, or neither through. */
class Network implements Ways {
  sockets = true;
  streams = true;
  looking = true;
  /** Of all attempts, in their order. */
  readonly tried: string[] = [];
  line: Line | null = null;
  end = (): void => undefined;

  readonly socket: Connect = (...given) => this.#connect("socket", this.sockets, ...given);
  readonly stream: Connect = (...given) => this.#connect("stream", this.streams, ...given);
  readonly socketOpens = async (): Promise<boolean> => this.sockets;
  readonly watched = async (signal: AbortSignal): Promise<void> => {
    while (!this.looking && !signal.aborted) await new Promise((on) => setTimeout(on, 100));
  };

  #connect(name: string, passes: boolean, ...[after, line, signal]: Parameters<Connect>) {
    this.tried.push(`${name} ${after}`);
    if (!passes) return Promise.resolve();
    line.onOpen();
    this.line = line;
    return new Promise<void>((resolve) => {
      this.end = resolve;
      signal.addEventListener("abort", () => resolve());
    });
  }
}

const told: string[] = [];
const listener: FeedListener = {
  onChanges: (changes) => told.push(...changes.map(({ seq }) => `change ${seq}`)),
  onResync: () => told.push("resync"),
  onConnection: (connection) => told.push(connection),
  mayRetry: async () => true,
};
let network: Network;
let life: AbortController;
let followed: Promise<void>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("addEventListener", () => undefined);
  vi.stubGlobal("removeEventListener", () => undefined);
  network = new Network();
  life = new AbortController();
  told.length = 0;
});

afterEach(async () => {
  life.abort();
  await vi.runAllTimersAsync();
  await followed;
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Follow from 7 on, for a while. */
async function follow(): Promise<void> {
  followed = followFeed(7, network, listener, life.signal);
  await vi.advanceTimersByTimeAsync(5_000);
}

function bring(seq: number): void {
  const change = { ...conversationChange(conversation({ id: "c" })), seq };
  network.line?.onFrame({ event: "change", data: change });
}

it("where sockets open no stream is asked for", async () => {
  await follow();
  for (let time = 0; time < 3; time += 1) {
    network.end();
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(network.tried).toEqual(["socket 7", "socket 7", "socket 7", "socket 7"]);
});

it("a socket that opens and stays silent is opened anew, and is no blocked one", async () => {
  await follow();
  await vi.advanceTimersByTimeAsync(3 * MINUTE_MS);
  expect(network.tried.length).toBeGreaterThan(2);
  expect(network.tried).not.toContain("stream 7");
});

it("two sockets that do not open make room for a stream, which misses nothing", async () => {
  network.sockets = false;
  await follow();
  expect(network.tried).toEqual(["socket 7", "socket 7", "stream 7"]);
  expect(told.at(-1)).toBe("live");
  bring(8);
  network.end();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toContain("change 8");
  expect(network.tried.slice(3)).toEqual(["stream 8"]);
});

it("a stream that is heard is kept until sockets open again", async () => {
  network.sockets = false;
  await follow();
  for (let at = 0; at < 2 * MINUTE_MS; at += 15_000) {
    await vi.advanceTimersByTimeAsync(15_000);
    network.line?.onHeard();
  }
  expect(network.tried).toHaveLength(3);
  network.sockets = true;
  for (let at = 0; at < MINUTE_MS; at += 15_000) {
    await vi.advanceTimersByTimeAsync(15_000);
    network.line?.onHeard();
  }
  expect(network.tried.slice(3)).toEqual(["socket 7"]);
});

it("a stream that is silent is opened anew", async () => {
  network.sockets = false;
  await follow();
  await vi.advanceTimersByTimeAsync(50_000);
  expect(network.tried.slice(3)).toEqual(["stream 7"]);
});

it("a server that is away is tried by either way in turn", async () => {
  network.sockets = false;
  network.streams = false;
  await follow();
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(network.tried.slice(0, 5)).toEqual([
    "socket 7",
    "socket 7",
    "stream 7",
    "socket 7",
    "stream 7",
  ]);
  network.sockets = true;
  network.streams = true;
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(told.at(-1)).toBe("live");
});

it("a tab that nobody sees asks for no stream until it is seen", async () => {
  network.sockets = false;
  network.looking = false;
  await follow();
  expect(network.tried).toEqual(["socket 7", "socket 7"]);
  network.looking = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(network.tried.slice(2)).toEqual(["stream 7"]);
});
