/** Bytes as a person reads them. */
export function sizeOf(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

/** How far something is, from 0 to 100. */
export function percentOf(done: number, all: number): number {
  return all <= 0 ? 0 : Math.min(100, Math.floor((100 * done) / all));
}
