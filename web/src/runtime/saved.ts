import type { Outgoing } from "./state";

const DRAFT = "tertulia.draft.";
const OUTGOING = "tertulia.outgoing.";

/** What survives a reload in this browser. Storage may be full or forbidden: then nothing does. */
export const saved = {
  draft: (id: string): string => read(DRAFT + id) ?? "",
  keepDraft: (id: string, text: string): void => write(DRAFT + id, text || null),

  outgoing: (): Outgoing[] =>
    keys()
      .filter((key) => key.startsWith(OUTGOING))
      .map((key) => parse(read(key)))
      .filter((one) => one !== null),
  keepOutgoing: (one: Outgoing): void => write(OUTGOING + one.id, JSON.stringify(one)),
  forgetOutgoing: (id: string): void => write(OUTGOING + id, null),

  value: (name: string): string | null => read(`tertulia.${name}`),
  keepValue: (name: string, value: string | null): void => write(`tertulia.${name}`, value),

  /** At sign-out: nothing that was typed stays behind. */
  forgetWords: (): void => {
    for (const key of keys()) {
      if (key.startsWith(DRAFT) || key.startsWith(OUTGOING)) write(key, null);
    }
  },
};

function keys(): string[] {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Full or forbidden: what is shown on the page is still there.
  }
}

function parse(text: string | null): Outgoing | null {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return isOutgoing(value) ? value : null;
  } catch {
    return null;
  }
}

function isOutgoing(value: unknown): value is Outgoing {
  return (
    typeof value === "object" &&
    value !== null &&
    "id" in value &&
    "text" in value &&
    "conversationId" in value
  );
}
