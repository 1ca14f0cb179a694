import type { Calls } from "./calls";
import { Problem } from "./http";
import type { Store } from "./store";
import { oldestSeq } from "./threads";

/** Fetches what is shown: pages of the list and of conversations. */
export function createReading(store: Store, calls: Calls) {
  async function listPage(archived: boolean, cursor: string | null): Promise<number | null> {
    store.dispatch({ type: "list_requested", archived });
    try {
      const page = await calls.conversations(archived, cursor);
      store.dispatch({ type: "list_received", archived, page });
      return page.feed_seq;
    } catch {
      store.dispatch({ type: "list_failed", archived });
      return null;
    }
  }

  async function fetchConversation(id: string): Promise<void> {
    if (store.state().conversations[id]) return;
    const conversation = await calls.conversation(id);
    store.dispatch({ type: "conversation_received", conversation });
  }

  async function openThread(id: string): Promise<void> {
    if (store.state().threads[id]?.phase === "ready") return;
    store.dispatch({ type: "thread_requested", conversationId: id });
    try {
      const [page] = await Promise.all([calls.messages(id, null), fetchConversation(id)]);
      store.dispatch({ type: "thread_received", conversationId: id, page });
    } catch (error) {
      const missing = error instanceof Problem && (error.status === 404 || error.status === 400);
      store.dispatch({ type: "thread_failed", conversationId: id, missing });
    }
  }

  return {
    /** The first page of a list; the feed's number it is true for, null when it failed. */
    openList: (archived: boolean) => listPage(archived, null),

    async moreOfList(archived: boolean): Promise<void> {
      const { phase, next } = store.state().lists[archived ? "archived" : "active"];
      if (phase !== "loading" && next !== null) await listPage(archived, next);
    },

    openThread,

    async olderMessages(id: string): Promise<void> {
      const thread = store.state().threads[id];
      if (!thread?.hasBefore || thread.before === "loading") return;
      store.dispatch({ type: "older_requested", conversationId: id });
      try {
        const page = await calls.messages(id, oldestSeq(thread));
        store.dispatch({ type: "thread_received", conversationId: id, page });
      } catch {
        store.dispatch({ type: "older_failed", conversationId: id });
      }
    },
  };
}
