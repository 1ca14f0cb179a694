import { type Calls, createCalls } from "./calls";
import { createChanging, notify } from "./changing";
import { followFeed } from "./feed";
import { createFollowing } from "./following";
import { createHttp, Problem } from "./http";
import { createReading } from "./reading";
import { saved } from "./saved";
import { createSending } from "./sending";
import { createStore, type Store } from "./store";

/** Everything the page can do, and the store that it does it to. */
export type Runtime = ReturnType<typeof createRuntime>;

const SNAPSHOT_RETRY_MS = 2_000;

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

  async function live(): Promise<void> {
    life.abort();
    life = new AbortController();
    const { signal } = life;
    sending.restore();
    let after: number | null = null;
    while (after === null) {
      after = await reading.openList(false);
      if (signal.aborted || store.state().session.phase !== "signed_in") return;
      if (after === null) await new Promise((resolve) => setTimeout(resolve, SNAPSHOT_RETRY_MS));
    }
    await followFeed(
      after,
      {
        onChanges: (changes) => store.dispatch({ type: "changes_received", changes }),
        onResync: resync,
        onConnection: (connection) => {
          if (store.state().session.phase !== "signed_in") return;
          store.dispatch({ type: "connection_changed", connection });
          if (connection === "live") sending.retryUnanswered();
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

  async function signIn(token: string | null): Promise<void> {
    try {
      const session = await (token === null ? calls.session() : calls.signIn(token));
      store.dispatch({ type: "session_changed", session: { phase: "signed_in", session } });
      void live();
    } catch (error) {
      const signedOut = error instanceof Problem && error.status < 500;
      const reason = token === null ? "none" : "link_invalid";
      store.dispatch({
        type: "session_changed",
        session: signedOut ? { phase: "signed_out", reason } : { phase: "unreachable" },
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
    return !(error instanceof Problem && error.status === 401);
  }
}
