import { describe, expect, it } from "vitest";
import type { Change } from "@/api/schema";
import { inListOrder } from "./conversations";
import type { Event } from "./events";
import { reduce } from "./reduce";
import {
  conversation,
  conversationChange,
  message,
  messageChange,
  outgoing,
  page,
  reply,
} from "./samples";
import { INITIAL, type State } from "./state";

function stateAfter(...events: readonly Event[]): State {
  return events.reduce(reduce, INITIAL);
}

const opened: Event = { type: "thread_requested", conversationId: "c" };
const changed = (...changes: Change[]): Event => ({ type: "changes_received", changes });

describe("conversations", () => {
  const listed = (...items: ReturnType<typeof conversation>[]): Event => ({
    type: "list_received",
    archived: false,
    page: { items, next: null, feed_seq: 1 },
  });

  it("keep the newer of two states, whichever comes last", () => {
    const older = conversation({ id: "c", title: "old", revision: 1 });
    const newer = conversation({ id: "c", title: "new", revision: 2 });
    expect(stateAfter(changed(conversationChange(newer)), listed(older)).conversations.c).toBe(
      newer,
    );
    expect(stateAfter(listed(older), changed(conversationChange(newer))).conversations.c).toBe(
      newer,
    );
  });

  it("do not come back from a late page once they are erased", () => {
    const gone = conversation({ id: "c" });
    const erased: Change = {
      ...conversationChange(gone),
      kind: "conversation_erased",
      conversation: null,
    };
    expect(stateAfter(listed(gone), changed(erased), listed(gone)).conversations).toEqual({});
  });

  it("are listed pinned first, then by their last change, without the archived", () => {
    const state = stateAfter(
      listed(
        conversation({ id: "a", updated_at: "2026-01-01T00:00:00Z" }),
        conversation({ id: "b", updated_at: "2026-01-03T00:00:00Z" }),
        conversation({ id: "p", updated_at: "2025-01-01T00:00:00Z", pinned: true }),
        conversation({ id: "x", archived: true }),
      ),
    );
    expect(inListOrder(state.conversations, false).map(({ id }) => id)).toEqual(["p", "b", "a"]);
    expect(inListOrder(state.conversations, true).map(({ id }) => id)).toEqual(["x"]);
  });
});

describe("threads", () => {
  it("take in changes that come before their first page", () => {
    const early = message({ id: "m2", seq: 2 });
    const state = stateAfter(opened, changed(messageChange(early)), {
      type: "thread_received",
      conversationId: "c",
      page: page([message({ id: "m1" })], true),
    });
    expect(Object.keys(state.threads.c?.messages ?? {}).sort()).toEqual(["m1", "m2"]);
    expect(state.threads.c).toMatchObject({ phase: "ready", hasBefore: true });
  });

  it("that were never opened hold nothing", () => {
    expect(stateAfter(changed(messageChange(message({ id: "m" })))).threads).toEqual({});
  });

  it("stay as they are when an older state of a message comes late", () => {
    const newer = message({ id: "m", text: "new", revision: 3 });
    const state = stateAfter(opened, { type: "message_received", message: newer });
    const late = { ...newer, text: "old", revision: 2 };
    expect(reduce(state, { type: "message_received", message: late }).threads).toBe(state.threads);
  });

  it("are missing once their conversation is erased", () => {
    const state = stateAfter(opened, { type: "conversation_erased", conversationId: "c" });
    expect(state.threads.c?.phase).toBe("missing");
  });
});

describe("replies", () => {
  const live = reply({ id: "r", seq: 2, parent_id: "m" });
  const delta = (position: string, text: string): Event => ({
    type: "reply_streamed",
    messageId: "r",
    parts: [{ kind: "delta", position, text }],
  });

  it("grow by what follows and start anew on a reset", () => {
    const state = stateAfter(
      opened,
      { type: "message_received", message: live },
      delta("1-2", "ab"),
      {
        type: "reply_streamed",
        messageId: "r",
        parts: [
          { kind: "delta", position: "1-3", text: "c" },
          { kind: "reset", position: "2-1", text: "X" },
          { kind: "delta", position: "2-2", text: "Y" },
        ],
      },
    );
    expect(state.replies.r).toEqual({ position: "2-2", text: "XY", ahead: null });
  });

  it("give way to the stored text when they end", () => {
    const done = { ...live, status: "complete" as const, text: "abc", revision: 2 };
    const state = stateAfter(
      opened,
      { type: "message_received", message: live },
      delta("1-2", "ab"),
      changed(messageChange(done)),
    );
    expect(state.replies).toEqual({});
    expect(state.threads.c?.messages.r?.text).toBe("abc");
  });

  it("that go on keep showing what they had until the stream replaces it", () => {
    const cut = { ...live, status: "interrupted" as const, text: "half" };
    const again = { ...live, status: "queued" as const, epoch: 2, revision: 2 };
    const state = stateAfter(
      opened,
      { type: "message_received", message: cut },
      { type: "message_received", message: again },
    );
    expect(state.replies.r).toEqual({ position: null, text: "half", ahead: null });
    expect(reduce(state, delta("2-9", "half and w")).replies.r?.text).toBe("half and w");
  });
});

describe("what is on its way", () => {
  const sent = outgoing({ id: "q" });
  const stored = message({ id: "m", text: "Hello" });
  const answer = reply({ id: "r", seq: 2, parent_id: "m", status: "queued" });

  it("is shown in a conversation that does not exist yet", () => {
    const state = stateAfter({ type: "outgoing_added", outgoing: { ...sent, opens: true } });
    expect(state.threads.c?.phase).toBe("ready");
  });

  it("leaves with the answer, and the branch of the reply is shown", () => {
    const state = stateAfter(
      { type: "conversation_received", conversation: conversation({ id: "c" }) },
      opened,
      { type: "outgoing_added", outgoing: sent },
      { type: "turn_accepted", requestId: "q", turn: { message: stored, reply: answer } },
    );
    expect(state.outgoing).toEqual({});
    expect(state.conversations.c?.leaf_id).toBe("r");
  });

  it("leaves when the feed shows that it has arrived though its answer was lost", () => {
    const state = stateAfter(
      { type: "outgoing_added", outgoing: sent },
      { type: "outgoing_failed", id: "q", problem: "no answer" },
      opened,
      changed(messageChange(stored)),
    );
    expect(state.outgoing).toEqual({});
  });

  it("stays when another message arrives", () => {
    const other = message({ id: "m", text: "Hello", parent_id: "elsewhere" });
    const state = stateAfter(
      { type: "outgoing_added", outgoing: sent },
      changed(messageChange(other)),
    );
    expect(state.outgoing).toEqual({ q: sent });
  });
});

it("signing out leaves nothing behind", () => {
  const state = stateAfter(
    opened,
    { type: "message_received", message: message({ id: "m", text: "secret" }) },
    { type: "outgoing_added", outgoing: outgoing({ id: "q" }) },
    { type: "session_changed", session: { phase: "signed_out", reason: "none" } },
  );
  expect(state).toEqual({ ...INITIAL, session: { phase: "signed_out", reason: "none" } });
});
