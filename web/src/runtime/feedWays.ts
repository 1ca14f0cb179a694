import type { Connect, Frame, Ways } from "./feed";
import type { Http } from "./http";
import { readSse } from "./sse";

/** The ways to the feed that a browser has. */
export function createWays(http: Http): Ways {
  return { socket, stream: streamBy(http), socketOpens, watched };
}

const socket: Connect = (after, line, signal) => {
  const opened = openSocket(after);
  const close = (): void => opened.close();
  return new Promise((resolve) => {
    signal.addEventListener("abort", close);
    if (signal.aborted) close();
    opened.onopen = line.onOpen;
    opened.onmessage = (event: MessageEvent<string>) => {
      line.onHeard();
      line.onFrame(JSON.parse(event.data) as Frame);
    };
    opened.onclose = () => {
      signal.removeEventListener("abort", close);
      resolve();
    };
  });
};

/** Ends when nobody looks any more: other tabs need the connection. */
function streamBy(http: Http): Connect {
  return async (after, line, signal) => {
    const own = new AbortController();
    const end = (): void => own.abort();
    const onVisibility = (): void => {
      if (document.hidden) end();
    };
    signal.addEventListener("abort", end);
    document.addEventListener("visibilitychange", onVisibility);
    if (signal.aborted) end();
    onVisibility();
    try {
      const response = await http.stream(`/api/feed?after=${after}`, own.signal);
      line.onOpen();
      for await (const { name, data } of readSse(response, line.onHeard)) {
        line.onFrame({ event: name, data: JSON.parse(data) } as Frame);
      }
    } catch {
      // It broke off, or never was: whoever asked goes on from where it came to.
    } finally {
      signal.removeEventListener("abort", end);
      document.removeEventListener("visibilitychange", onVisibility);
    }
  };
}

function socketOpens(): Promise<boolean> {
  const opened = openSocket(null);
  return new Promise((resolve) => {
    opened.onopen = () => {
      resolve(true);
      opened.close();
    };
    opened.onclose = () => resolve(false);
  });
}

/** Without `after`: from now on. */
function openSocket(after: number | null): WebSocket {
  const from = after === null ? "" : `?after=${after}`;
  return new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/feed${from}`);
}

function watched(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
    look();
  });
}
