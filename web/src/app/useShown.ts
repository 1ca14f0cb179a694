import { useEffect, useMemo } from "react";
import type { Message } from "@/api/schema";
import { branchOf } from "@/runtime/branches";
import { useRuntime, useSelect } from "@/runtime/hooks";
import type { Outgoing, Thread } from "@/runtime/state";

type Shown = {
  /** Whether the end of the branch is at hand: only then it is known what a message follows. */
  readonly whole: boolean;
  readonly thread: Thread | undefined;
  readonly branch: readonly Message[];
  readonly outgoing: readonly Outgoing[];
};

/** What is on the screen of a conversation: the branch of its leaf, and what is on its way. While
 * another version of an earlier message is on its way, the branch ends where that begins. */
export function useShown(id: string): Shown {
  const { olderMessages } = useRuntime();
  const thread = useSelect((state) => state.threads[id]);
  const leafId = useSelect((state) => state.conversations[id]?.leaf_id ?? null);
  const all = useSelect((state) => state.outgoing);
  const outgoing = useMemo(
    () => Object.values(all).filter((one) => one.conversationId === id),
    [all, id],
  );

  const leafIsEarlier =
    thread !== undefined && leafId !== null && !thread.messages[leafId] && thread.hasBefore;
  const before = thread?.before;
  useEffect(() => {
    if (leafIsEarlier && before === "idle") void olderMessages(id);
  }, [leafIsEarlier, before, id, olderMessages]);

  const branch = useMemo(() => {
    const messages = thread?.messages ?? {};
    const newest = outgoing.at(-1);
    if (!newest) return branchOf(messages, leafId);
    return newest.parentId === null ? [] : branchOf(messages, newest.parentId);
  }, [thread?.messages, leafId, outgoing]);

  return { whole: thread?.phase === "ready" && !leafIsEarlier, thread, branch, outgoing };
}
