import type { Message, Messages } from "@/api/schema";
import type { Event } from "./events";
import { EMPTY_THREAD, type State, type Thread } from "./state";

type Threads = State["threads"];

export function reduceThreads(threads: Threads, event: Event): Threads {
  switch (event.type) {
    case "resynced":
      return {};
    case "thread_requested":
      return change(threads, event.conversationId, (thread) => ({
        ...thread,
        phase: thread.phase === "ready" ? "ready" : "loading",
      }));
    case "thread_received":
      return change(threads, event.conversationId, (thread) => received(thread, event.page));
    case "thread_failed":
      return change(threads, event.conversationId, (thread) => failed(thread, event.missing));
    case "older_requested":
      return change(threads, event.conversationId, (thread) => ({ ...thread, before: "loading" }));
    case "older_failed":
      return change(threads, event.conversationId, (thread) => ({ ...thread, before: "failed" }));
    case "message_received":
      return put(threads, event.message);
    case "turn_accepted":
      return put(put(threads, event.turn.message), event.turn.reply);
    case "changes_received":
      return event.changes.reduce((now, one) => {
        if (one.kind === "conversation_erased") return gone(now, one.conversation_id);
        return one.message ? put(now, one.message) : now;
      }, threads);
    case "conversation_erased":
      return gone(threads, event.conversationId);
    case "outgoing_added":
      return event.outgoing.opens ? begun(threads, event.outgoing.conversationId) : threads;
    default:
      return threads;
  }
}

/** Whether `message` is being written: its text lives at its stream. */
export function isLive(message: Message): boolean {
  return message.status === "queued" || message.status === "streaming";
}

/** The number of the oldest message at hand, null when there is none. */
export function oldestSeq(thread: Thread): number | null {
  let oldest: number | null = null;
  for (const { seq } of Object.values(thread.messages)) {
    if (oldest === null || seq < oldest) oldest = seq;
  }
  return oldest;
}

/** The number of the newest message at hand, 0 when there is none. */
export function newestSeq(thread: Thread): number {
  return Object.values(thread.messages).reduce((newest, { seq }) => Math.max(newest, seq), 0);
}

function change(threads: Threads, id: string, to: (thread: Thread) => Thread): Threads {
  return { ...threads, [id]: to(threads[id] ?? EMPTY_THREAD) };
}

function received(thread: Thread, page: Messages): Thread {
  return {
    phase: "ready",
    messages: page.items.reduce(merge, thread.messages),
    hasBefore: page.has_before,
    before: "idle",
  };
}

function failed(thread: Thread, missing: boolean): Thread {
  if (thread.phase === "ready") return thread;
  return { ...thread, phase: missing ? "missing" : "failed" };
}

function gone(threads: Threads, id: string): Threads {
  return threads[id] ? { ...threads, [id]: { ...EMPTY_THREAD, phase: "missing" } } : threads;
}

/** A conversation that begins here has nothing that is not at hand. */
function begun(threads: Threads, id: string): Threads {
  return threads[id] ? threads : { ...threads, [id]: { ...EMPTY_THREAD, phase: "ready" } };
}

/** Messages of threads that were never opened are left out: opening one fetches them. */
function put(threads: Threads, message: Message): Threads {
  const thread = threads[message.conversation_id];
  if (!thread) return threads;
  const messages = merge(thread.messages, message);
  if (messages === thread.messages) return threads;
  return { ...threads, [message.conversation_id]: { ...thread, messages } };
}

function merge(messages: Thread["messages"], message: Message): Thread["messages"] {
  const held = messages[message.id];
  if (held && held.revision >= message.revision) return messages;
  return { ...messages, [message.id]: message };
}
