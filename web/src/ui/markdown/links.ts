const SAFE = new Set(["http:", "https:", "mailto:"]);

/** The address to link to, null when it must not be one (scripts, files, addresses of this site). */
export function safeAddress(address: string): string | null {
  try {
    const url = new URL(address);
    return SAFE.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
