import type { Message } from "@/api/schema";
import { backoffMs, pause } from "./backoff";
import { type Calls, streamPath } from "./calls";
import type { Part } from "./events";
import { type Http, Problem } from "./http";
import { readSse, type SseEvent } from "./sse";
import type { Store } from "./store";
import { isLive } from "./threads";

/** Follows the stream of every reply that is being written in the shown conversation.
 *
 * A hidden tab follows none: it would hold one of the browser's few connections to draw nothing. */
export function createFollowing(store: Store, calls: Pick<Calls, "message">, http: Http) {
  const following = new Map<string, AbortController>();
  let shown: string | null = null;

  function wanted(): Message[] {
    if (shown === null || document.hidden) return [];
    return Object.values(store.state().threads[shown]?.messages ?? {}).filter(isLive);
  }

  function update(): void {
    const live = wanted();
    for (const [key, controller] of following) {
      if (live.some((message) => keyOf(message) === key)) continue;
      following.delete(key);
      controller.abort();
    }
    for (const message of live) {
      if (following.has(keyOf(message))) continue;
      const controller = new AbortController();
      following.set(keyOf(message), controller);
      void followReply({ store, calls, http }, message, controller.signal);
    }
  }

  let threads = store.state().threads;
  store.subscribe(() => {
    if (store.state().threads === threads) return;
    threads = store.state().threads;
    update();
  });
  document.addEventListener("visibilitychange", update);

  return {
    show(conversationId: string | null): void {
      shown = conversationId;
      update();
    },
  };
}

/** Another attempt at the same reply is another stream. */
function keyOf(message: Message): string {
  return `${message.id} ${message.epoch}`;
}

type Means = {
  readonly store: Store;
  readonly calls: Pick<Calls, "message">;
  readonly http: Http;
};

async function followReply(
  { store, calls, http }: Means,
  message: Message,
  signal: AbortSignal,
): Promise<void> {
  const frames = createFrames((parts) => {
    // What was not drawn before the abort is not part of the position another follower starts at.
    if (!signal.aborted) store.dispatch({ type: "reply_streamed", messageId: message.id, parts });
  });
  let failures = 0;
  let comeBackMs: number | null = null;
  while (!signal.aborted) {
    try {
      const position = frames.position() ?? store.state().replies[message.id]?.position ?? null;
      const path = streamPath(message, position);
      comeBackMs = null;
      for await (const event of readSse(await http.stream(path, signal))) {
        failures = 0;
        if (signal.aborted) return;
        if (event.name === "restarting") comeBackMs = retryMs(event.data);
        if (take(store, message.id, event, frames.add)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isFinal(error)) return refetch(store, calls, message);
    }
    failures += 1;
    await pause(comeBackMs ?? backoffMs(failures), signal);
  }
}

/** When a server that stops wants its reader back. */
function retryMs(data: string): number {
  return (JSON.parse(data) as { retry_ms: number }).retry_ms;
}

/** Apply one event of a reply's stream; true when it was the last. */
function take(
  store: Store,
  messageId: string,
  event: SseEvent,
  add: (part: Part) => void,
): boolean {
  switch (event.name) {
    case "delta":
    case "reset": {
      const { text } = JSON.parse(event.data) as { text: string };
      add({ kind: event.name, position: event.id ?? "", text });
      return false;
    }
    case "waiting": {
      const { ahead } = JSON.parse(event.data) as { ahead: number };
      store.dispatch({ type: "reply_waiting", messageId, ahead });
      return false;
    }
    case "end": {
      const { message } = JSON.parse(event.data) as { message: Message };
      store.dispatch({ type: "message_received", message });
      return true;
    }
    default:
      return false;
  }
}

/** Whether asking again is of no use: the stream is not there or not ours. */
function isFinal(error: unknown): boolean {
  return error instanceof Problem && error.status < 500 && error.status !== 429;
}

async function refetch(store: Store, calls: Pick<Calls, "message">, reply: Message): Promise<void> {
  const message = await calls.message(reply).catch(() => null);
  if (message) store.dispatch({ type: "message_received", message });
}

/** Gathers what comes between two frames of the screen; when drawing is slow, over several, so
 * that drawing never takes more than about a third of the time. */
function createFrames(draw: (parts: readonly Part[]) => void) {
  let parts: Part[] = [];
  let position: string | null = null;
  let notBefore = 0;

  function flush(now: number): void {
    if (now < notBefore) {
      requestAnimationFrame(flush);
      return;
    }
    const gathered = parts;
    parts = [];
    draw(gathered);
    notBefore = now + 3 * (performance.now() - now);
  }

  return {
    position: () => position,
    add(part: Part): void {
      position = part.position;
      if (parts.length === 0) requestAnimationFrame(flush);
      parts.push(part);
    },
  };
}
