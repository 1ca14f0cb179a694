import type { Turn } from "@/api/schema";
import { backoffMs } from "./backoff";
import type { Calls } from "./calls";
import { Unreachable } from "./http";
import { newId } from "./ids";
import { sentenceFor } from "./problems";
import { saved } from "./saved";
import type { Outgoing } from "./state";
import type { Store } from "./store";

export type NewTurn = {
  /** null opens a new conversation. */
  readonly conversationId: string | null;
  readonly parentId: string | null;
  readonly text: string;
  readonly model: string | null;
};

/** What is typed goes out under an id of its own and is kept until the server is known to have it. */
export function createSending(store: Store, calls: Calls) {
  /** How often what got no answer was tried. */
  const unanswered = new Map<string, number>();

  store.subscribe(forgetDelivered);
  let outgoing = store.state().outgoing;
  function forgetDelivered(): void {
    const now = store.state().outgoing;
    if (now === outgoing || store.state().session.phase !== "signed_in") return;
    for (const id of Object.keys(outgoing)) {
      if (!now[id]) saved.forgetOutgoing(id);
    }
    outgoing = now;
  }

  async function deliver(one: Outgoing): Promise<void> {
    try {
      const turn = await request(one);
      store.dispatch({ type: "turn_accepted", turn, requestId: one.id });
      unanswered.delete(one.id);
    } catch (error) {
      store.dispatch({ type: "outgoing_failed", id: one.id, problem: sentenceFor(error) });
      if (error instanceof Unreachable) wait(one.id);
      else unanswered.delete(one.id);
    }
  }

  /** Offline, the connection's return is what to wait for; else it is time. */
  function wait(id: string): void {
    const failures = (unanswered.get(id) ?? 0) + 1;
    unanswered.set(id, failures);
    setTimeout(() => {
      if (store.state().connection === "live") retry(id);
    }, backoffMs(failures));
  }

  async function request(one: Outgoing): Promise<Turn> {
    const model = one.model === null ? {} : { model: one.model };
    if (one.opens) {
      const conversation = await calls.createConversation({ id: one.conversationId, ...model });
      store.dispatch({ type: "conversation_received", conversation });
    }
    const { id, text, parentId } = one;
    return calls.startTurn(one.conversationId, { id, text, parent_id: parentId, ...model });
  }

  function retry(id: string): void {
    const one = store.state().outgoing[id];
    if (!one || one.phase === "sending") return;
    store.dispatch({ type: "outgoing_retried", id });
    void deliver(one);
  }

  return {
    /** Returns the conversation's id. */
    send(turn: NewTurn): string {
      const one: Outgoing = {
        ...turn,
        id: newId(),
        conversationId: turn.conversationId ?? newId(),
        opens: turn.conversationId === null,
        phase: "sending",
        problem: null,
      };
      saved.keepOutgoing(one);
      store.dispatch({ type: "outgoing_added", outgoing: one });
      void deliver(one);
      return one.conversationId;
    },
    retry,
    drop(id: string): void {
      store.dispatch({ type: "outgoing_dropped", id });
    },
    /** What got no answer is asked again, under its old id. */
    retryUnanswered(): void {
      for (const id of unanswered.keys()) retry(id);
    },
    /** Takes up what an earlier life of the page left. */
    restore(): void {
      for (const one of saved.outgoing()) {
        if (store.state().outgoing[one.id]) continue;
        store.dispatch({ type: "outgoing_added", outgoing: { ...one, phase: "sending" } });
        void deliver(one);
      }
    },
  };
}
