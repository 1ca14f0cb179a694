import type {
  CatalogueEntry,
  Conversation,
  ConversationPage,
  Message,
  MessagePage,
  ModelList,
  Session,
  Turn,
} from "@/api/schema";
import type { Http } from "./http";

export type ConversationChange = Partial<
  Pick<Conversation, "title" | "pinned" | "archived" | "model" | "leaf_id">
>;

/** What is asked for a turn; the same `id` again is the same turn again. */
export type TurnRequest = {
  readonly id: string;
  readonly text: string;
  readonly parent_id: string | null;
  readonly model?: string;
};

const at = (id: string): string => `/api/conversations/${encodeURIComponent(id)}`;
const within = (id: string, message: string): string =>
  `${at(id)}/messages/${encodeURIComponent(message)}`;

/** The HTTP interface, one function a route. Each throws Problem or Unreachable. */
export function createCalls({ request }: Http) {
  return {
    session: () => request<Session>("GET", "/api/session"),
    signIn: (token: string) => request<Session>("POST", "/api/session", { token }),
    signOut: () => request<null>("DELETE", "/api/session"),

    models: () => request<ModelList>("GET", "/api/models"),
    catalogue: () => request<{ items: readonly CatalogueEntry[] }>("GET", "/api/catalogue"),
    pullModel: (name: string) =>
      request<unknown>("POST", `/api/catalogue/${encodeURIComponent(name)}/pull`),
    useModel: (name: string) =>
      request<unknown>("POST", `/api/catalogue/${encodeURIComponent(name)}/use`),

    conversations: (archived: boolean, cursor: string | null) =>
      request<ConversationPage>(
        "GET",
        `/api/conversations?${query({ archived: String(archived), cursor, limit: "50" })}`,
      ),
    conversation: (id: string) => request<Conversation>("GET", at(id)),
    createConversation: (body: { id: string; model?: string }) =>
      request<Conversation>("POST", "/api/conversations", body),
    changeConversation: (id: string, change: ConversationChange) =>
      request<Conversation>("PATCH", at(id), change),
    eraseConversation: (id: string) => request<null>("DELETE", at(id)),

    messages: (id: string, before: number | null) =>
      request<MessagePage>(
        "GET",
        `${at(id)}/messages?${query({ before: before?.toString() ?? null, limit: "50" })}`,
      ),
    message: (id: string, message: string) => request<Message>("GET", within(id, message)),
    startTurn: (id: string, body: TurnRequest) => request<Turn>("POST", `${at(id)}/turns`, body),
    regenerate: (id: string, message: string, body: { id: string; model?: string }) =>
      request<Turn>("POST", `${within(id, message)}/regenerate`, body),
    continueReply: (id: string, message: string, body: { id: string }) =>
      request<Turn>("POST", `${within(id, message)}/continue`, body),
    stop: (id: string, message: string) => request<Message>("POST", `${within(id, message)}/stop`),
    rate: (id: string, message: string, rating: "up" | "down") =>
      request<Message>("PUT", `${within(id, message)}/feedback`, { rating }),
    unrate: (id: string, message: string) =>
      request<Message>("DELETE", `${within(id, message)}/feedback`),
  };
}

export type Calls = ReturnType<typeof createCalls>;

/** Where the stream of a reply is, from `position` on. */
export function streamPath(id: string, message: string, position: string | null): string {
  const after = query({ after: position });
  return `${within(id, message)}/stream${after && `?${after}`}`;
}

/** Where a file of the whole conversation is. */
export function exportPath(id: string, format: "json" | "markdown"): string {
  return `${at(id)}/export?format=${format}`;
}

function query(values: Record<string, string | null>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== null);
  return new URLSearchParams(given).toString();
}
