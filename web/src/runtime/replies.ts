import type { Message } from "@/api/schema";
import type { Event, Part } from "./events";
import type { ReplyText, State } from "./state";
import { isLive } from "./threads";

type Slice = Pick<State, "replies" | "threads">;
type Replies = State["replies"];

const NOTHING: ReplyText = { position: null, text: "", ahead: null };

/** Runs before the threads change: a reply that goes on keeps showing what it had. */
export function reduceReplies({ replies, threads }: Slice, event: Event): Replies {
  switch (event.type) {
    case "resynced":
      return {};
    case "reply_streamed":
      return {
        ...replies,
        [event.messageId]: event.parts.reduce(join, replies[event.messageId] ?? NOTHING),
      };
    case "reply_waiting": {
      const held = replies[event.messageId] ?? NOTHING;
      return { ...replies, [event.messageId]: { ...held, ahead: event.ahead } };
    }
    case "message_received":
      return follow(replies, threads, event.message);
    case "turn_accepted":
      return follow(replies, threads, event.turn.reply);
    case "changes_received":
      return event.changes.reduce(
        (now, change) => (change.message ? follow(now, threads, change.message) : now),
        replies,
      );
    default:
      return replies;
  }
}

function join(held: ReplyText, part: Part): ReplyText {
  const follows = part.kind === "delta" && held.position !== null;
  return {
    position: part.position,
    text: follows ? held.text + part.text : part.text,
    ahead: null,
  };
}

function follow(replies: Replies, threads: State["threads"], message: Message): Replies {
  const before = threads[message.conversation_id]?.messages[message.id];
  if (before && before.revision >= message.revision) return replies;
  if (!isLive(message)) {
    if (!replies[message.id]) return replies;
    const { [message.id]: _, ...others } = replies;
    return others;
  }
  if (!before || isLive(before) || !before.text) return replies;
  return { ...replies, [message.id]: { ...NOTHING, text: before.text } };
}
