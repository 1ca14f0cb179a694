import type { Conversation } from "@/api/schema";
import type { Event } from "./events";
import type { List, State } from "./state";

type Slice = Pick<State, "conversations" | "erased" | "lists">;

export function reduceConversations(slice: Slice, event: Event): Slice {
  switch (event.type) {
    case "resynced":
      return {
        conversations: {},
        erased: slice.erased,
        lists: { active: { phase: "idle", next: null }, archived: { phase: "idle", next: null } },
      };
    case "list_requested":
      return withList(slice, event.archived, (list) => ({ ...list, phase: "loading" }));
    case "list_failed":
      return withList(slice, event.archived, (list) => ({ ...list, phase: "failed" }));
    case "list_received":
      return withList(event.page.items.reduce(put, slice), event.archived, () => ({
        phase: "ready",
        next: event.page.next,
      }));
    case "conversation_received":
      return put(slice, event.conversation);
    case "conversation_erased":
      return erase(slice, event.conversationId);
    case "changes_received":
      return event.changes.reduce((now, change) => {
        if (change.kind === "conversation_erased") return erase(now, change.conversation_id);
        return change.conversation ? put(now, change.conversation) : now;
      }, slice);
    case "turn_accepted":
      return show(slice, event.turn.reply.conversation_id, event.turn.reply.id);
    default:
      return slice;
  }
}

/** The order of the list: pinned first, then the latest change. */
export function inListOrder(
  conversations: Readonly<Record<string, Conversation>>,
  archived: boolean,
): Conversation[] {
  return Object.values(conversations)
    .filter((one) => one.archived === archived)
    .sort(
      (a, b) =>
        Number(b.pinned) - Number(a.pinned) ||
        b.updated_at.localeCompare(a.updated_at) ||
        b.id.localeCompare(a.id),
    );
}

function withList(slice: Slice, archived: boolean, change: (list: List) => List): Slice {
  const name = archived ? "archived" : "active";
  return { ...slice, lists: { ...slice.lists, [name]: change(slice.lists[name]) } };
}

function put(slice: Slice, conversation: Conversation): Slice {
  const held = slice.conversations[conversation.id];
  if (slice.erased.has(conversation.id)) return slice;
  if (held && held.revision > conversation.revision) return slice;
  return {
    ...slice,
    conversations: { ...slice.conversations, [conversation.id]: conversation },
  };
}

function erase(slice: Slice, id: string): Slice {
  const { [id]: _, ...conversations } = slice.conversations;
  return { ...slice, conversations, erased: new Set(slice.erased).add(id) };
}

/** Show the branch of a fresh reply without waiting for the feed to say so. */
function show(slice: Slice, id: string, leafId: string): Slice {
  const held = slice.conversations[id];
  if (!held) return slice;
  return {
    ...slice,
    conversations: { ...slice.conversations, [id]: { ...held, leaf_id: leafId } },
  };
}
