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

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const TIMEOUT_MS = 30_000; // the slowest answer short of a stream is an export, which is a link

/** Both throw Problem or Unreachable. */
export type Http = {
  /** One request; null for an answer without a body. */
  readonly request: <T>(method: Method, path: string, body?: unknown) => Promise<T>;
  /** An open event stream. */
  readonly stream: (path: string, signal: AbortSignal) => Promise<Response>;
};

/** `onSignedOut` is told when the server no longer knows who we are. */
export function createHttp(onSignedOut: () => void): Http {
  async function reach(path: string, init: RequestInit): Promise<Response> {
    const response = await fetch(path, { cache: "no-store", ...init }).catch(() => {
      throw new Unreachable();
    });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem instanceof Problem && problem.code === "signed_out") onSignedOut();
    throw problem;
  }

  async function request<T>(method: Method, path: string, body?: unknown): Promise<T> {
    const response = await reach(path, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.status === 204) return null as T;
    return (await response.json().catch(() => {
      throw new Unreachable();
    })) as T;
  }

  return {
    request,
    stream: (path, signal) => reach(path, { signal, headers: { Accept: "text/event-stream" } }),
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
