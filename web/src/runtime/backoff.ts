const FIRST_MS = 400;
const LAST_MS = 15_000; // a server that comes back is noticed within a quarter of a minute

/** How long to wait before attempt number `failures` + 1; spread, so that tabs do not march in step. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const full = Math.min(LAST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  return full * (0.5 + random() / 2);
}

/** Waits, but not past the moment the network comes back or `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
