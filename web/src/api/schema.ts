/** The values of the HTTP interface. */

export type Status =
  | "queued"
  | "streaming"
  | "complete"
  | "interrupted"
  | "failed"
  | "cancelled";

export type Conversation = {
  readonly id: string;
  readonly character_id: string;
  readonly title: string | null;
  readonly model: string | null;
  readonly leaf_id: string | null;
  readonly pinned: boolean;
  readonly archived: boolean;
  readonly created_at: string;
  readonly updated_at: string;
  readonly revision: number;
};

export type ContextReport = {
  readonly included: number;
  readonly left_out: number;
  readonly prompt_tokens: number;
  readonly window_tokens: number;
};

export type Usage = {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cached_tokens: number;
};

export type Labels = {
  readonly language: string | null;
  readonly confidence: number;
  readonly characters: number;
  readonly words: number;
  readonly tokens: number;
  readonly changed: boolean;
};

export type Feedback = { readonly rating: "up" | "down"; readonly comment: string };

export type Message = {
  readonly id: string;
  readonly conversation_id: string;
  readonly parent_id: string | null;
  readonly seq: number;
  readonly author: "user" | "assistant";
  readonly status: Status;
  readonly epoch: number;
  readonly text: string | null;
  readonly model: string | null;
  readonly labels: Labels | null;
  readonly usage: Usage | null;
  readonly context: ContextReport | null;
  readonly error_code: string | null;
  readonly feedback: Feedback | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly revision: number;
};

export type Session = {
  readonly user: { readonly id: string; readonly name: string };
  readonly via: string;
  readonly expires_at: string | null;
};

export type ConversationPage = {
  readonly items: readonly Conversation[];
  readonly next: string | null;
  readonly feed_seq: number;
};

export type MessagePage = {
  readonly items: readonly Message[];
  readonly has_before: boolean;
  readonly has_after: boolean;
  readonly feed_seq: number;
};

export type Turn = { readonly message: Message; readonly reply: Message };

export type Change = {
  readonly seq: number;
  readonly kind: "conversation" | "conversation_erased" | "message";
  readonly conversation_id: string;
  readonly message_id: string | null;
  readonly at: string;
  readonly conversation: Conversation | null;
  readonly message: Message | null;
};

export type Model = {
  readonly id: string;
  readonly window_tokens: number;
  readonly owned_by: string;
  readonly ready: boolean;
  readonly note: string;
};

export type ModelList = { readonly items: readonly Model[]; readonly default: string | null };

export type CatalogueEntry = {
  readonly name: string;
  readonly licence: string;
  readonly size_bytes: number;
  readonly memory_bytes: number;
  readonly window_tokens: number;
  readonly state: "absent" | "pulling" | "verifying" | "present" | "in_use" | "failed";
  readonly done_bytes: number;
  readonly problem: string | null;
  readonly available: boolean;
};
