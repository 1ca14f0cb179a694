import type { Message } from "@/api/schema";
import type { Event } from "./events";
import type { Outgoing, State } from "./state";

type All = State["outgoing"];

export function reduceOutgoing(all: All, event: Event): All {
  switch (event.type) {
    case "outgoing_added":
      return { ...all, [event.outgoing.id]: event.outgoing };
    case "outgoing_retried":
      return change(all, event.id, { phase: "sending", problem: null });
    case "outgoing_failed":
      return change(all, event.id, { phase: "failed", problem: event.problem });
    case "outgoing_dropped":
      return without(all, event.id);
    case "turn_accepted":
      return without(all, event.requestId);
    case "message_received":
      return arrived(all, event.message);
    case "changes_received":
      return event.changes.reduce(
        (now, { message }) => (message ? arrived(now, message) : now),
        all,
      );
    default:
      return all;
  }
}

function change(all: All, id: string, to: Partial<Outgoing>): All {
  const held = all[id];
  return held ? { ...all, [id]: { ...held, ...to } } : all;
}

function without(all: All, id: string): All {
  if (!all[id]) return all;
  const { [id]: _, ...others } = all;
  return others;
}

/** The feed may tell of a stored message before, or instead of, the answer to its request. */
function arrived(all: All, message: Message): All {
  if (message.author !== "user") return all;
  const same = Object.values(all).find(
    (one) =>
      one.conversationId === message.conversation_id &&
      one.parentId === message.parent_id &&
      one.text === message.text,
  );
  return same ? without(all, same.id) : all;
}
