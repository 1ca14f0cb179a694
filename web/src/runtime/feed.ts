import type { Change } from "@/api/schema";
import { backoffMs, pause } from "./backoff";
import type { Connection } from "./state";

/** The socket is silent for at most 15 s: past this it is dead, whatever the system says. */
const SILENCE_MS = 40_000;
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

type Frame =
  | { event: "change"; data: Change }
  | { event: "resync"; data: { head: number } }
  | { event: "ping" };

/** Keeps the feed coming from `after` on, over any number of connections, until aborted.
 *
 * A socket, because browsers allow six event streams per server over all tabs, and a seventh tab
 * would hang. */
export async function followFeed(
  after: number,
  listener: FeedListener,
  signal: AbortSignal,
): Promise<void> {
  let cursor = after;
  let failures = 0;
  while (!signal.aborted) {
    const opened = await connect(cursor, listener, signal, (seq) => {
      cursor = seq;
    });
    failures = opened ? 1 : failures + 1;
    if (signal.aborted) return;
    const offline = setTimeout(
      () => listener.onConnection("offline"),
      failures > 1 ? 0 : PATIENCE_MS,
    );
    signal.addEventListener("abort", () => clearTimeout(offline), { once: true });
    await pause(backoffMs(failures), signal);
    const goOn = await listener.mayRetry();
    clearTimeout(offline);
    if (!goOn) return;
  }
}

/** One connection, until it ends; whether it was ever open. */
function connect(
  after: number,
  listener: FeedListener,
  signal: AbortSignal,
  onSeq: (seq: number) => void,
): Promise<boolean> {
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/feed?after=${after}`);
  let opened = false;
  let heard = Date.now();
  let gathered: Change[] = [];
  let gathering: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    clearTimeout(gathering);
    gathering = undefined;
    const changes = gathered;
    gathered = [];
    if (changes.length > 0) listener.onChanges(changes);
  }

  function on(frame: Frame): void {
    if (frame.event === "change") {
      gathered.push(frame.data);
      onSeq(frame.data.seq);
      gathering ??= setTimeout(flush, GATHER_MS);
    } else if (frame.event === "resync") {
      flush();
      onSeq(frame.data.head);
      listener.onResync();
    }
  }

  return new Promise((resolve) => {
    const close = (): void => socket.close();
    const watch = setInterval(() => {
      if (Date.now() - heard > SILENCE_MS) close();
    }, 5_000);
    signal.addEventListener("abort", close);
    addEventListener("offline", close);
    socket.onopen = () => {
      opened = true;
      listener.onConnection("live");
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      heard = Date.now();
      on(JSON.parse(event.data) as Frame);
    };
    socket.onclose = () => {
      clearInterval(watch);
      signal.removeEventListener("abort", close);
      removeEventListener("offline", close);
      flush();
      resolve(opened);
    };
  });
}
