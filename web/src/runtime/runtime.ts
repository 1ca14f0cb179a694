import type { Session } from "@/api/schema";
import { backoffMs, pause } from "./backoff";
import { type Calls, createCalls } from "./calls";
import { createChanging, notify } from "./changing";
import { followFeed } from "./feed";
import { createWays } from "./feedWays";
import { createFollowing } from "./following";
import { createHttp, Problem } from "./http";
import { sentenceFor } from "./problems";
import { createReading } from "./reading";
import { saved } from "./saved";
import { createSending } from "./sending";
import type { SessionState } from "./state";
import { createStore, type Store } from "./store";

/** Everything the page can do, and the store that it does it to. */
export type Runtime = ReturnType<typeof createRuntime>;

export function createRuntime() {
  const store = createStore();
  const http = createHttp(() => {
    if (store.state().session.phase === "signed_in") end(store);
  });
  const calls = createCalls(http);
  const reading = createReading(store, calls);
  const sending = createSending(store, calls);
  const following = createFollowing(store, calls, http);
  let life = new AbortController();
  let shown: string | null = null;
  let linkToken: string | null = null;

  async function live(): Promise<void> {
    life.abort();
    life = new AbortController();
    const { signal } = life;
    sending.restore();
    let after = await reading.openList(false);
    for (let failures = 1; after === null; failures += 1) {
      store.dispatch({ type: "connection_changed", connection: "offline" });
      await pause(backoffMs(failures), signal);
      if (signal.aborted || store.state().session.phase !== "signed_in") return;
      after = await reading.openList(false);
    }
    await followFeed(
      after,
      createWays(http),
      {
        onChanges: (changes) => store.dispatch({ type: "changes_received", changes }),
        onResync: resync,
        onConnection: (connection) => {
          if (store.state().session.phase !== "signed_in") return;
          store.dispatch({ type: "connection_changed", connection });
          if (connection !== "live") return;
          sending.retryUnanswered();
          if (shown !== null) void reading.openThread(shown);
        },
        mayRetry: () => isSignedIn(calls),
      },
      signal,
    );
  }

  /** The cursor was too old: what is shown is fetched anew, from the feed's head on. */
  function resync(): void {
    store.dispatch({ type: "resynced" });
    void reading.openList(false);
    if (shown !== null) void reading.openThread(shown);
  }

  /** With a link's token, or with the session that the browser may have. */
  async function signIn(token: string | null): Promise<void> {
    linkToken = token;
    try {
      const session = await (token === null ? calls.session() : enter(token));
      linkToken = null;
      store.dispatch({ type: "session_changed", session: { phase: "signed_in", session } });
      void live();
    } catch (error) {
      store.dispatch({ type: "session_changed", session: refusal(error, token !== null) });
    }
  }

  /** A link that was used before is no reason to turn away somebody who is signed in. */
  async function enter(token: string): Promise<Session> {
    try {
      return await calls.signIn(token);
    } catch (error) {
      if (!isUnauthenticated(error)) throw error;
      return calls.session().catch(() => {
        throw error;
      });
    }
  }

  return {
    store,
    calls,
    ...reading,
    ...createChanging(store, calls),
    send: sending.send,
    retry: sending.retry,
    drop: sending.drop,
    signIn,
    trySignInAgain: () => signIn(linkToken),

    /** The conversation on the screen: its replies are followed. */
    show(conversationId: string | null): void {
      shown = conversationId;
      following.show(conversationId);
      if (conversationId !== null) void reading.openThread(conversationId);
    },

    async signOut(): Promise<void> {
      try {
        await calls.signOut();
      } catch (error) {
        if (!(error instanceof Problem)) return notify(store, "You are still signed in.");
      }
      saved.forgetWords();
      life.abort();
      store.dispatch({
        type: "session_changed",
        session: { phase: "signed_out", reason: "none" },
      });
    },

    notify: (text: string): void => notify(store, text),
    dismiss: (): void => store.dispatch({ type: "notice_changed", notice: null }),
  };
}

function end(store: Store): void {
  store.dispatch({ type: "session_changed", session: { phase: "signed_out", reason: "ended" } });
}

async function isSignedIn(calls: Calls): Promise<boolean> {
  try {
    await calls.session();
    return true;
  } catch (error) {
    return !isUnauthenticated(error);
  }
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof Problem && error.status === 401;
}

/** Only a clear no is a no: a server that is away, or busy, may know us yet. */
function refusal(error: unknown, byLink: boolean): SessionState {
  return isUnauthenticated(error)
    ? { phase: "signed_out", reason: byLink ? "link_invalid" : "none" }
    : { phase: "unreachable", problem: sentenceFor(error) };
}
