import { reduceConversations } from "./conversations";
import type { Event } from "./events";
import { reduceOutgoing } from "./outgoing";
import { reduceReplies } from "./replies";
import { INITIAL, type State } from "./state";
import { reduceThreads } from "./threads";

/** The state after `event`. Parts that the event does not touch stay identical. */
export function reduce(state: State, event: Event): State {
  if (event.type === "session_changed" && event.session.phase === "signed_out") {
    return { ...INITIAL, session: event.session };
  }
  return {
    ...state,
    ...reduceConversations(state, event),
    session: event.type === "session_changed" ? event.session : state.session,
    connection: event.type === "connection_changed" ? event.connection : state.connection,
    notice: event.type === "notice_changed" ? event.notice : state.notice,
    replies: reduceReplies(state, event),
    threads: reduceThreads(state.threads, event),
    outgoing: reduceOutgoing(state.outgoing, event),
  };
}
