import type { Message } from "@/api/schema";

type Messages = Readonly<Record<string, Message>>;

/** The branch that ends at `leafId`, oldest first, as far as it is at hand. An unknown leaf stands
 * for the newest one. */
export function branchOf(messages: Messages, leafId: string | null): Message[] {
  const leaf = (leafId && messages[leafId]) || newest(Object.values(messages));
  const branch: Message[] = [];
  let at: Message | undefined = leaf;
  while (at) {
    branch.push(at);
    at = at.parent_id === null ? undefined : messages[at.parent_id];
  }
  return branch.reverse();
}

/** The messages that answer the same message as this one, itself included, oldest first. Only
 * itself when their parent is not at hand, for then some of them may not be either. */
export function siblingsOf(messages: Messages, message: Message, hasBefore: boolean): Message[] {
  const whole = message.parent_id === null ? !hasBefore : messages[message.parent_id] !== undefined;
  return whole ? (childrenOf(messages).get(message.parent_id) ?? [message]) : [message];
}

/** The end of the newest branch through `id`. */
export function newestLeafBelow(messages: Messages, id: string): string {
  const children = childrenOf(messages);
  let at = id;
  for (;;) {
    const next = newest(children.get(at) ?? []);
    if (!next) return at;
    at = next.id;
  }
}

const known = new WeakMap<Messages, Map<string | null, Message[]>>();

function childrenOf(messages: Messages): Map<string | null, Message[]> {
  const held = known.get(messages);
  if (held) return held;
  const children = new Map<string | null, Message[]>();
  for (const message of Object.values(messages).sort((a, b) => a.seq - b.seq)) {
    const siblings = children.get(message.parent_id);
    if (siblings) siblings.push(message);
    else children.set(message.parent_id, [message]);
  }
  known.set(messages, children);
  return children;
}

function newest(messages: readonly Message[]): Message | undefined {
  return messages.reduce<Message | undefined>(
    (latest, one) => (latest && latest.seq > one.seq ? latest : one),
    undefined,
  );
}
