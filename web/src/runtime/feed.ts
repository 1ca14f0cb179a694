import type { Change } from "@/api/schema";
import { backoffMs, pause } from "./backoff";
import type { Connection } from "./state";

/** The feed is silent for at most 15 s: past this it is dead, whatever the system says. */
const SILENCE_MS = 40_000;
/** Who does not open within this does not open. */
const OPENING_MS = 10_000;
/** After so many sockets that did not open, sockets are taken to be blocked on the way. */
const BLOCKED = 2;
/** How often it is seen whether they still are. */
const PROBE_MS = 60_000;
/** Changes that come together are applied together. */
const GATHER_MS = 16;
/** A shorter interruption is not worth a banner. */
const PATIENCE_MS = 1_500;

export type FeedListener = {
  readonly onChanges: (changes: readonly Change[]) => void;
  readonly onResync: () => void;
  readonly onConnection: (connection: Connection) => void;
  /** Asked before another attempt: false ends it (signed out). */
  readonly mayRetry: () => Promise<boolean>;
};

export type Frame =
  | { event: "change"; data: Change }
  | { event: "resync"; data: { head: number } }
  | { event: "restarting"; data: { retry_ms: number } }
  | { event: "ping" };

/** Who is told of what a connection does. */
export type Line = {
  readonly onOpen: () => void;
  /** Anything at all came. */
  readonly onHeard: () => void;
  readonly onFrame: (frame: Frame) => void;
};

/** One connection to the feed, from `after` on; resolves, and never rejects, when it
 * has ended, be it by `signal`. */
export type Connect = (after: number, line: Line, signal: AbortSignal) => Promise<void>;

export type Ways = {
  readonly socket: Connect;
  readonly stream: Connect;
  /** Whether a socket opens now. */
  readonly socketOpens: () => Promise<boolean>;
  /** Resolves as soon as somebody looks at the page: only then it may hold a stream. */
  readonly watched: (signal: AbortSignal) => Promise<void>;
};

/** Keeps the feed coming from `after` on, over any number of connections, until aborted.
 *
 * By a socket, because browsers allow six event streams per server over all tabs, and a seventh
 * tab would hang. Where sockets are blocked, by an event stream, until they are not. */
export async function followFeed(
  after: number,
  ways: Ways,
  listener: FeedListener,
  signal: AbortSignal,
): Promise<void> {
  let cursor = after;
  let failures = 0;
  let unopened = 0;
  let connect = ways.socket;
  const stream = streamUntil(ways, () => {
    unopened = 0;
  });
  while (!signal.aborted) {
    if (connect === stream) await ways.watched(signal);
    const { opened, retryMs } = await converse(connect, cursor, listener, signal, (seq) => {
      cursor = seq;
    });
    if (signal.aborted) return;
    failures = opened ? 1 : failures + 1;
    if (connect === ways.socket) unopened = opened ? 0 : unopened + 1;
    // When nothing opens, it is the server that is away: both are tried in turn.
    const again = connect === ways.socket || opened;
    connect = unopened >= BLOCKED && again ? stream : ways.socket;
    if (!(await waited(failures, retryMs, listener, signal))) return;
  }
}

/** Waits before another attempt; whether there may be one. */
async function waited(
  failures: number,
  retryMs: number | null,
  listener: FeedListener,
  signal: AbortSignal,
): Promise<boolean> {
  const offline = setTimeout(
    () => listener.onConnection("offline"),
    failures > 1 ? 0 : PATIENCE_MS,
  );
  const calm = (): void => clearTimeout(offline);
  signal.addEventListener("abort", calm);
  await pause(retryMs ?? backoffMs(failures), signal);
  const goOn = await listener.mayRetry();
  signal.removeEventListener("abort", calm);
  calm();
  return goOn;
}

/** The stream, which ends, and `onSockets` is told, once sockets open again. */
function streamUntil(ways: Ways, onSockets: () => void): Connect {
  return async (after, line, signal) => {
    const own = new AbortController();
    const end = (): void => own.abort();
    const probe = setInterval(async () => {
      if (!(await ways.socketOpens()) || own.signal.aborted) return;
      onSockets();
      end();
    }, PROBE_MS);
    signal.addEventListener("abort", end);
    await ways.stream(after, line, own.signal);
    signal.removeEventListener("abort", end);
    clearInterval(probe);
    end(); // a probe that is still under way comes too late
  };
}

/** One connection, until it ends: whether it was ever open, and when a server that stops wants its
 * reader back. */
async function converse(
  connect: Connect,
  after: number,
  listener: FeedListener,
  signal: AbortSignal,
  onSeq: (seq: number) => void,
): Promise<{ opened: boolean; retryMs: number | null }> {
  const own = new AbortController();
  const close = (): void => own.abort();
  const gathering = createGathering(listener.onChanges);
  let opened = false;
  let retryMs: number | null = null;
  let heard = Date.now();

  function onFrame(frame: Frame): void {
    if (frame.event === "change") {
      onSeq(frame.data.seq);
      gathering.add(frame.data);
    } else if (frame.event === "resync") {
      gathering.flush();
      onSeq(frame.data.head);
      listener.onResync();
    } else if (frame.event === "restarting") {
      retryMs = frame.data.retry_ms;
    }
  }

  const watch = setInterval(() => {
    if (Date.now() - heard > (opened ? SILENCE_MS : OPENING_MS)) close();
  }, 2_000);
  signal.addEventListener("abort", close);
  addEventListener("offline", close);
  const onHeard = (): void => {
    heard = Date.now();
  };
  const onOpen = (): void => {
    opened = true;
    onHeard();
    listener.onConnection("live");
  };
  await connect(after, { onOpen, onHeard, onFrame }, own.signal);
  clearInterval(watch);
  signal.removeEventListener("abort", close);
  removeEventListener("offline", close);
  gathering.flush();
  return { opened, retryMs };
}

function createGathering(onChanges: FeedListener["onChanges"]) {
  let gathered: Change[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const changes = gathered;
    gathered = [];
    if (changes.length > 0) onChanges(changes);
  }

  return {
    flush,
    add(change: Change): void {
      gathered.push(change);
      timer ??= setTimeout(flush, GATHER_MS);
    },
  };
}
