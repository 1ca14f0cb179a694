import type { Change, Conversation, Message, Messages } from "@/api/schema";
import type { Outgoing } from "./state";

/** Values for tests. */

const AT = "2026-01-01T00:00:00Z";

export function conversation(given: Partial<Conversation> & { id: string }): Conversation {
  return {
    character_id: "assistant",
    title: null,
    model: null,
    leaf_id: null,
    pinned: false,
    archived: false,
    created_at: AT,
    updated_at: AT,
    revision: 1,
    ...given,
  };
}

export function message(given: Partial<Message> & { id: string }): Message {
  return {
    conversation_id: "c",
    parent_id: null,
    seq: 1,
    author: "user",
    status: "complete",
    epoch: 0,
    text: "",
    model: null,
    labels: null,
    usage: null,
    context: null,
    error_code: null,
    feedback: null,
    created_at: AT,
    updated_at: AT,
    revision: 1,
    ...given,
  };
}

export function reply(given: Partial<Message> & { id: string }): Message {
  return message({ author: "assistant", status: "streaming", text: null, epoch: 1, ...given });
}

export function page(items: Message[], hasBefore = false): Messages {
  return { items, has_before: hasBefore, has_after: false, feed_seq: 0 };
}

export function messageChange(changed: Message): Change {
  return {
    seq: 1,
    kind: "message",
    conversation_id: changed.conversation_id,
    message_id: changed.id,
    at: AT,
    conversation: null,
    message: changed,
  };
}

export function conversationChange(changed: Conversation): Change {
  return {
    seq: 1,
    kind: "conversation",
    conversation_id: changed.id,
    message_id: null,
    at: AT,
    conversation: changed,
    message: null,
  };
}

export function outgoing(given: Partial<Outgoing> & { id: string }): Outgoing {
  return {
    conversationId: "c",
    opens: false,
    parentId: null,
    text: "Hello",
    model: null,
    phase: "sending",
    problem: null,
    ...given,
  };
}
