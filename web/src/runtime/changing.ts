import type { ConversationChange, Feedback, Message } from "@/api/schema";
import type { Calls } from "./calls";
import { newId } from "./ids";
import { sentenceFor } from "./problems";
import type { Store } from "./store";

/** What a person does to conversations and replies; a failure becomes a notice. */
export function createChanging(store: Store, calls: Calls) {
  async function attempt(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      notify(store, `${what} ${sentenceFor(error)}`);
      return false;
    }
  }

  async function received(message: Promise<Message>): Promise<void> {
    store.dispatch({ type: "message_received", message: await message });
  }

  return {
    change: (id: string, change: ConversationChange) =>
      attempt("The change was not saved.", async () => {
        const conversation = await calls.changeConversation(id, change);
        store.dispatch({ type: "conversation_received", conversation });
      }),

    erase: (id: string) =>
      attempt("The conversation was not deleted.", async () => {
        await calls.eraseConversation(id);
        store.dispatch({ type: "conversation_erased", conversationId: id });
      }),

    regenerate: (reply: Message, model: string | null) =>
      attempt("No new answer was asked for.", async () => {
        const body = { id: newId(), ...(model === null ? {} : { model }) };
        const turn = await calls.regenerate(reply, body);
        store.dispatch({ type: "turn_accepted", turn, requestId: body.id });
      }),

    continueReply: (reply: Message) =>
      attempt("The answer does not go on.", async () => {
        const requestId = newId();
        const turn = await calls.continueReply(reply, requestId);
        store.dispatch({ type: "turn_accepted", turn, requestId });
      }),

    stop: (reply: Message) =>
      attempt("The answer was not stopped.", () => received(calls.stop(reply))),

    /** null withdraws what was said of it. */
    rate: (reply: Message, feedback: Feedback | null) =>
      attempt("The rating was not saved.", () =>
        received(feedback === null ? calls.unrate(reply) : calls.rate(reply, feedback)),
      ),
  };
}

/** Say something in passing. */
export function notify(store: Store, text: string): void {
  store.dispatch({ type: "notice_changed", notice: { id: newId(), text } });
}
