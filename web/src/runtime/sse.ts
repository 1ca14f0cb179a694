export type SseEvent = { readonly name: string; readonly id: string | null; readonly data: string };

/** Cuts the text of an event stream into its events; `push` takes it in pieces of any size. */
export function createSseParser(): { push: (text: string) => SseEvent[] } {
  let rest = "";
  let name = "";
  let id: string | null = null;
  let data: string[] = [];

  function line(text: string): SseEvent | null {
    if (text === "") {
      const event = data.length > 0 ? { name: name || "message", id, data: data.join("\n") } : null;
      name = "";
      id = null;
      data = [];
      return event;
    }
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "id") id = value;
    else if (field === "data") data.push(value);
    return null;
  }

  return {
    push(text) {
      const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      return lines.map(line).filter((event) => event !== null);
    },
  };
}

/** The events of a response's body until it ends; `onHeard` is told of every piece of it, also of
 * the comments that only say that somebody is there. */
export async function* readSse(
  response: Response,
  onHeard: () => void = () => undefined,
): AsyncGenerator<SseEvent, void> {
  if (!response.body) return;
  const parser = createSseParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onHeard();
      yield* parser.push(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
