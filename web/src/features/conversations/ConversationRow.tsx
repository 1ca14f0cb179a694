import { Pin } from "lucide-react";
import { memo } from "react";
import type { Conversation } from "@/api/schema";
import { conversationPath } from "@/runtime/route";
import { classes } from "@/ui/classes";
import { Link } from "@/ui/Link";
import { ConversationMenu } from "./ConversationMenu";
import { titleOf } from "./titles";

type Props = {
  readonly conversation: Conversation;
  readonly current: boolean;
  readonly onNavigate: (path: string) => void;
};

export const ConversationRow = memo(function ConversationRow({
  conversation,
  current,
  onNavigate,
}: Props) {
  return (
    <li
      className={classes(
        "group relative flex items-center rounded-lg pr-1 text-sm hover:bg-hover",
        current && "bg-hover",
      )}
    >
      <Link
        href={conversationPath(conversation.id)}
        onNavigate={onNavigate}
        aria-current={current ? "page" : undefined}
        className={classes(
          "flex min-w-0 flex-1 items-center gap-2 rounded-lg py-1.5 pl-2.5 pointer-coarse:py-2.5",
          current && "font-medium",
        )}
      >
        <span className="truncate">{titleOf(conversation)}</span>
        {conversation.pinned && <Pin aria-label="pinned" className="size-3 shrink-0 text-muted" />}
      </Link>
      <ConversationMenu
        conversation={conversation}
        className="size-7 opacity-0 focus-visible:opacity-100 group-hover:opacity-100 data-[state=open]:opacity-100 pointer-coarse:opacity-100"
      />
    </li>
  );
});
