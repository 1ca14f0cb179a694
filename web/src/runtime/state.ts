import type { Conversation, Message, Session } from "@/api/schema";

/** Everything the page knows. It is only ever changed by `reduce`. */
export type State = {
  readonly session: SessionState;
  readonly connection: Connection;
  readonly conversations: Readonly<Record<string, Conversation>>;
  /** Conversations that were deleted: a late snapshot must not bring them back. */
  readonly erased: ReadonlySet<string>;
  readonly lists: { readonly active: List; readonly archived: List };
  readonly threads: Readonly<Record<string, Thread>>;
  readonly replies: Readonly<Record<string, ReplyText>>;
  readonly outgoing: Readonly<Record<string, Outgoing>>;
  readonly notice: Notice | null;
};

export type SessionState =
  | { readonly phase: "unknown" }
  | { readonly phase: "unreachable"; readonly problem: string }
  | { readonly phase: "signed_out"; readonly reason: "none" | "link_invalid" | "ended" }
  | { readonly phase: "signed_in"; readonly session: Session };

export type Connection = "connecting" | "live" | "offline";

/** How much of a list of conversations is at hand. */
export type List = {
  readonly phase: "idle" | "loading" | "ready" | "failed";
  readonly next: string | null;
};

/** The messages of one conversation, all branches; those before the window are not at hand. */
export type Thread = {
  readonly phase: "loading" | "ready" | "missing" | "failed";
  readonly messages: Readonly<Record<string, Message>>;
  readonly hasBefore: boolean;
  readonly before: "idle" | "loading" | "failed";
};

/** The text of a reply that is being written. `position` is null while nothing came yet, and
 * `text` is then what an earlier attempt left. */
export type ReplyText = {
  readonly position: string | null;
  readonly text: string;
  readonly ahead: number | null;
};

/** What was typed and is not yet known to be stored. `id` makes its retry the same request. */
export type Outgoing = {
  readonly id: string;
  readonly conversationId: string;
  /** Its conversation may not exist yet. */
  readonly opens: boolean;
  readonly parentId: string | null;
  readonly text: string;
  readonly model: string | null;
  readonly phase: "sending" | "failed";
  readonly problem: string | null;
};

export type Notice = { readonly id: string; readonly text: string };

const EMPTY_LIST: List = { phase: "idle", next: null };

export const EMPTY_THREAD: Thread = {
  phase: "loading",
  messages: {},
  hasBefore: false,
  before: "idle",
};

export const INITIAL: State = {
  session: { phase: "unknown" },
  connection: "connecting",
  conversations: {},
  erased: new Set(),
  lists: { active: EMPTY_LIST, archived: EMPTY_LIST },
  threads: {},
  replies: {},
  outgoing: {},
  notice: null,
};
