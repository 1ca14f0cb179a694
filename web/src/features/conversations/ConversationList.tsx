import { useMemo } from "react";
import { inListOrder } from "@/runtime/conversations";
import { useRuntime, useSelect } from "@/runtime/hooks";
import { useRoute } from "@/runtime/route";
import { Button } from "@/ui/Button";
import { Spinner } from "@/ui/Spinner";
import { useSeen } from "@/ui/useSeen";
import { ConversationRow } from "./ConversationRow";
import { groupByTime } from "./groups";

type Props = { readonly archived: boolean; readonly onNavigate: (path: string) => void };

/** Conversations by the time of their last change; more come as the end nears. */
export function ConversationList({ archived, onNavigate }: Props) {
  const { openList, moreOfList } = useRuntime();
  const route = useRoute();
  const conversations = useSelect((state) => state.conversations);
  const list = useSelect(({ lists }) => (archived ? lists.archived : lists.active));
  const items = useMemo(() => inListOrder(conversations, archived), [conversations, archived]);
  const groups = useMemo(() => groupByTime(items, new Date()), [items]);
  const end = useSeen(() => void moreOfList(archived), list);

  if (list.phase === "ready" && items.length === 0) {
    return (
      <p className="px-2.5 py-6 text-muted text-sm">
        {archived ? "Nothing is archived." : "Your conversations will be listed here."}
      </p>
    );
  }
  return (
    <>
      {groups.map((group) => (
        <section key={group.name} aria-label={group.name} className="mb-4">
          <h2 className="px-2.5 pb-1 font-medium text-muted text-xs">{group.name}</h2>
          <ul>
            {group.items.map((one) => (
              <ConversationRow
                key={one.id}
                conversation={one}
                current={route.page === "conversation" && route.id === one.id}
                onNavigate={onNavigate}
              />
            ))}
          </ul>
        </section>
      ))}
      <div ref={end} />
      {list.phase === "loading" && (
        <div className="px-2.5 py-2">
          <Spinner label="Loading…" />
        </div>
      )}
      {list.phase === "failed" && (
        <div className="px-2.5 py-2 text-sm">
          <p className="mb-2 text-muted">The list could not be loaded.</p>
          <Button onClick={() => void openList(archived)}>Try again</Button>
        </div>
      )}
    </>
  );
}
