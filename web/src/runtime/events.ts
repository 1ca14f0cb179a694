import type { Change, Conversation, Conversations, Message, Messages, Turn } from "@/api/schema";
import type { Connection, Notice, Outgoing, SessionState } from "./state";

/** Whatever can happen to the state. */
export type Event =
  | { readonly type: "session_changed"; readonly session: SessionState }
  | { readonly type: "connection_changed"; readonly connection: Connection }
  | { readonly type: "resynced" }
  | { readonly type: "changes_received"; readonly changes: readonly Change[] }
  | { readonly type: "list_requested"; readonly archived: boolean }
  | { readonly type: "list_received"; readonly archived: boolean; readonly page: Conversations }
  | { readonly type: "list_failed"; readonly archived: boolean }
  | { readonly type: "conversation_received"; readonly conversation: Conversation }
  | { readonly type: "conversation_erased"; readonly conversationId: string }
  | { readonly type: "thread_requested"; readonly conversationId: string }
  | {
      readonly type: "thread_received";
      readonly conversationId: string;
      readonly page: Messages;
    }
  | { readonly type: "thread_failed"; readonly conversationId: string; readonly missing: boolean }
  | { readonly type: "older_requested"; readonly conversationId: string }
  | { readonly type: "older_failed"; readonly conversationId: string }
  | { readonly type: "message_received"; readonly message: Message }
  | { readonly type: "turn_accepted"; readonly turn: Turn; readonly requestId: string }
  | { readonly type: "reply_streamed"; readonly messageId: string; readonly parts: readonly Part[] }
  | { readonly type: "reply_waiting"; readonly messageId: string; readonly ahead: number }
  | { readonly type: "outgoing_added"; readonly outgoing: Outgoing }
  | { readonly type: "outgoing_retried"; readonly id: string }
  | { readonly type: "outgoing_failed"; readonly id: string; readonly problem: string }
  | { readonly type: "outgoing_dropped"; readonly id: string }
  | { readonly type: "notice_changed"; readonly notice: Notice | null };

/** A piece of a reply: what follows (`delta`), or what replaces all before it (`reset`). */
export type Part = {
  readonly kind: "delta" | "reset";
  readonly position: string;
  readonly text: string;
};
