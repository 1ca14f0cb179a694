import { PanelLeft, SquarePen } from "lucide-react";
import { ConversationMenu } from "@/features/conversations/ConversationMenu";
import { titleOf } from "@/features/conversations/titles";
import { useSelect } from "@/runtime/hooks";
import { IconButton } from "@/ui/IconButton";

type Props = {
  readonly conversationId: string | null;
  readonly listShown: boolean;
  readonly onList: () => void;
  readonly onNavigate: (path: string) => void;
};

export function TopBar({ conversationId, listShown, onList, onNavigate }: Props) {
  const conversation = useSelect((state) =>
    conversationId === null ? undefined : state.conversations[conversationId],
  );
  const missing = useSelect(
    (state) => conversationId !== null && state.threads[conversationId]?.phase === "missing",
  );
  return (
    <header className="flex h-14 shrink-0 items-center gap-1 px-3">
      {!listShown && (
        <IconButton label="Show the list" onClick={onList}>
          <PanelLeft />
        </IconButton>
      )}
      <div className="min-w-0 flex-1 px-2">
        {conversationId !== null && !missing && (
          <h1 className="truncate font-medium text-sm">{titleOf(conversation)}</h1>
        )}
      </div>
      {conversation && <ConversationMenu conversation={conversation} />}
      {!listShown && (
        <IconButton label="New conversation" onClick={() => onNavigate("/")}>
          <SquarePen />
        </IconButton>
      )}
    </header>
  );
}
