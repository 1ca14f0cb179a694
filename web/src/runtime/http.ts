import createClient, { type Client } from "openapi-fetch";
import type { paths } from "@/api/schema";

/** The server's considered answer that it will not do this (a problem document). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** No answer came: whether the request arrived is not known. */
export class Unreachable extends Error {
  constructor() {
    super("The server cannot be reached.");
  }
}

/** Both throw Problem or Unreachable. */
export type Http = {
  readonly client: Client<paths>;
  /** An open event stream. */
  readonly stream: (path: string, signal: AbortSignal) => Promise<Response>;
};

const TIMEOUT_MS = 30_000; // the slowest answer short of a stream is an export, which is a link

/** `onSignedOut` is told when the server no longer knows who we are. */
export function createHttp(onSignedOut: () => void): Http {
  async function reach(request: Request): Promise<Response> {
    const response = await fetch(request).catch(() => {
      throw new Unreachable();
    });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem instanceof Problem && problem.code === "signed_out") onSignedOut();
    throw problem;
  }

  return {
    client: createClient<paths>({
      baseUrl: location.origin,
      cache: "no-store",
      fetch: (request) => reach(new Request(request, { signal: AbortSignal.timeout(TIMEOUT_MS) })),
    }),
    stream: (path, signal) =>
      reach(
        new Request(path, { signal, cache: "no-store", headers: { Accept: "text/event-stream" } }),
      ),
  };
}

async function problemOf(response: Response): Promise<Error> {
  // A proxy that cannot reach the server answers in its stead, and not with a problem document.
  const document: unknown = await response.json().catch(() => null);
  if (!isProblem(document)) {
    return response.status >= 502
      ? new Unreachable()
      : new Problem(response.status, "unknown", `The server answered ${response.status}.`);
  }
  return new Problem(response.status, document.code, document.detail || document.title || "");
}

type Document = { code: string; title?: string; detail?: string };

function isProblem(value: unknown): value is Document {
  return typeof value === "object" && value !== null && "code" in value;
}
