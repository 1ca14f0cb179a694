import type {
  CatalogueEntry,
  Conversation,
  ConversationChange,
  Conversations,
  Feedback,
  Message,
  Messages,
  Models,
  NewConversation,
  NewToken,
  NewTurn,
  Regeneration,
  Session,
  Token,
  Turn,
} from "@/api/schema";
import { type Http, Problem, Unreachable } from "./http";

const PAGE = 50;

/** The HTTP interface, one function a route. Each throws Problem or Unreachable. */
export type Calls = ReturnType<typeof createCalls>;

export function createCalls({ client }: Http) {
  return {
    session: (): Promise<Session> => answer(client.GET("/api/session")),
    signIn: (token: string): Promise<Session> =>
      answer(client.POST("/api/session", { body: { token } })),
    signOut: (): Promise<unknown> => done(client.DELETE("/api/session")),

    /** Oldest first. */
    tokens: async (): Promise<readonly Token[]> => (await answer(client.GET("/api/tokens"))).items,
    createToken: (name: string): Promise<NewToken> =>
      answer(client.POST("/api/tokens", { body: { name } })),
    revokeToken: (id: string): Promise<unknown> =>
      done(client.DELETE("/api/tokens/{token_id}", { params: { path: { token_id: id } } })),

    models: (): Promise<Models> => answer(client.GET("/api/models")),
    catalogue: async (): Promise<readonly CatalogueEntry[]> =>
      (await answer(client.GET("/api/catalogue"))).items,
    pullModel: (name: string): Promise<unknown> =>
      done(client.POST("/api/catalogue/{name}/pull", { params: { path: { name } } })),
    useModel: (name: string): Promise<unknown> =>
      done(client.POST("/api/catalogue/{name}/use", { params: { path: { name } } })),

    conversations: (archived: boolean, cursor: string | null): Promise<Conversations> =>
      answer(
        client.GET("/api/conversations", {
          params: { query: { archived, limit: PAGE, ...(cursor === null ? {} : { cursor }) } },
        }),
      ),
    conversation: (id: string): Promise<Conversation> =>
      answer(client.GET("/api/conversations/{conversation_id}", at(id))),
    createConversation: (body: NewConversation): Promise<Conversation> =>
      answer(client.POST("/api/conversations", { body })),
    changeConversation: (id: string, body: ConversationChange): Promise<Conversation> =>
      answer(client.PATCH("/api/conversations/{conversation_id}", { ...at(id), body })),
    eraseConversation: (id: string): Promise<unknown> =>
      done(client.DELETE("/api/conversations/{conversation_id}", at(id))),

    messages: (id: string, before: number | null): Promise<Messages> =>
      answer(
        client.GET("/api/conversations/{conversation_id}/messages", {
          params: {
            path: { conversation_id: id },
            query: { limit: PAGE, ...(before === null ? {} : { before }) },
          },
        }),
      ),
    message: (of: MessageKey): Promise<Message> => answer(client.GET(`${MESSAGE}`, within(of))),
    startTurn: (id: string, body: NewTurn): Promise<Turn> =>
      answer(client.POST("/api/conversations/{conversation_id}/turns", { ...at(id), body })),
    regenerate: (of: MessageKey, body: Regeneration): Promise<Turn> =>
      answer(client.POST(`${MESSAGE}/regenerate`, { ...within(of), body })),
    continueReply: (of: MessageKey, id: string): Promise<Turn> =>
      answer(client.POST(`${MESSAGE}/continue`, { ...within(of), body: { id } })),
    stop: (of: MessageKey): Promise<Message> => answer(client.POST(`${MESSAGE}/stop`, within(of))),
    /** Replaces the whole of it: a comment that is not sent again is gone. */
    rate: (of: MessageKey, body: Feedback): Promise<Message> =>
      answer(client.PUT(`${MESSAGE}/feedback`, { ...within(of), body })),
    unrate: (of: MessageKey): Promise<Message> =>
      answer(client.DELETE(`${MESSAGE}/feedback`, within(of))),
  };
}

type MessageKey = Pick<Message, "id" | "conversation_id">;

const MESSAGE = "/api/conversations/{conversation_id}/messages/{message_id}";

/** Where the stream of a reply is, from `position` on. */
export function streamPath({ id, conversation_id }: MessageKey, position: string | null): string {
  const path = `/api/conversations/${conversation_id}/messages/${id}/stream`;
  return position === null ? path : `${path}?after=${position}`;
}

/** Where a file of the whole conversation is. */
export function exportPath(id: string, format: "json" | "markdown"): string {
  return `/api/conversations/${id}/export?format=${format}`;
}

function at(id: string) {
  return { params: { path: { conversation_id: id } } };
}

function within({ id, conversation_id }: MessageKey) {
  return { params: { path: { conversation_id, message_id: id } } };
}

/** The body of an answer; one that broke off is as good as none. */
async function answer<T>(call: Promise<{ data?: T }>): Promise<T> {
  const { data } = await done(call);
  if (data === undefined) throw new Unreachable();
  return data;
}

async function done<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof Problem ? error : new Unreachable();
  }
}
