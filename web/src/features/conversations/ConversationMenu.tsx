import {
  Archive,
  ArchiveRestore,
  Download,
  Ellipsis,
  Pencil,
  Pin,
  PinOff,
  Trash2,
} from "lucide-react";
import { useRef, useState } from "react";
import type { Conversation } from "@/api/schema";
import { exportPath } from "@/runtime/calls";
import { useRuntime } from "@/runtime/hooks";
import { conversationPath, navigate } from "@/runtime/route";
import { Confirm } from "@/ui/Confirm";
import { IconButton } from "@/ui/IconButton";
import { Menu, MenuItem, MenuLine } from "@/ui/Menu";
import { RenameDialog } from "./RenameDialog";
import { titleOf } from "./titles";

type Props = { readonly conversation: Conversation; readonly className?: string };

/** What can be done with a conversation. */
export function ConversationMenu({ conversation, className }: Props) {
  const { change, erase, notify } = useRuntime();
  const [asking, setAsking] = useState<"rename" | "delete" | null>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const { id, pinned, archived } = conversation;
  const title = titleOf(conversation);

  async function leaveIf(done: Promise<boolean>, said: string): Promise<void> {
    if (!(await done)) return;
    if (location.pathname === conversationPath(id)) navigate("/", { replace: true });
    notify(said);
  }

  return (
    <>
      <Menu
        trigger={
          <IconButton ref={trigger} label={`Options for “${title}”`} className={className}>
            <Ellipsis />
          </IconButton>
        }
      >
        <MenuItem onSelect={() => setAsking("rename")}>
          <Pencil /> Rename
        </MenuItem>
        <MenuItem onSelect={() => void change(id, { pinned: !pinned })}>
          {pinned ? <PinOff /> : <Pin />} {pinned ? "Unpin" : "Pin"}
        </MenuItem>
        {archived ? (
          <MenuItem onSelect={() => void change(id, { archived: false })}>
            <ArchiveRestore /> Take out of the archive
          </MenuItem>
        ) : (
          <MenuItem onSelect={() => void leaveIf(change(id, { archived: true }), "Archived.")}>
            <Archive /> Archive
          </MenuItem>
        )}
        <MenuLine />
        <MenuItem asChild>
          <a href={exportPath(id, "markdown")} download>
            <Download /> Export as Markdown
          </a>
        </MenuItem>
        <MenuItem asChild>
          <a href={exportPath(id, "json")} download>
            <Download /> Export as JSON
          </a>
        </MenuItem>
        <MenuLine />
        <MenuItem className="text-danger" onSelect={() => setAsking("delete")}>
          <Trash2 /> Delete…
        </MenuItem>
      </Menu>
      {asking === "rename" && (
        <RenameDialog
          conversation={conversation}
          onClose={() => setAsking(null)}
          focusAfter={trigger}
        />
      )}
      <Confirm
        open={asking === "delete"}
        onClose={() => setAsking(null)}
        focusAfter={trigger}
        onConfirm={() => void leaveIf(erase(id), "Deleted.")}
        title="Delete this conversation?"
        description={`“${title}” and everything said in it will be gone for good: its key is destroyed.`}
        action="Delete"
      />
    </>
  );
}
