import { Pencil } from "lucide-react";
import { memo } from "react";
import type { Message } from "@/api/schema";
import { CopyButton } from "@/ui/CopyButton";
import { IconButton } from "@/ui/IconButton";
import { BranchSwitch } from "./BranchSwitch";
import { Bubble } from "./Bubble";
import { MessageEditor } from "./MessageEditor";

type Props = {
  readonly message: Message;
  readonly editing: boolean;
  readonly onEdit: (id: string | null) => void;
  readonly onSend: (parentId: string | null, text: string) => void;
};

export const UserMessage = memo(function UserMessage({ message, editing, onEdit, onSend }: Props) {
  const text = message.text ?? "";
  return (
    <article className="message group flex flex-col items-end" data-message={message.id}>
      <h2 className="sr-only">You</h2>
      {editing ? (
        <MessageEditor
          text={text}
          onCancel={() => onEdit(null)}
          onSend={(changed) => {
            onEdit(null);
            onSend(message.parent_id, changed);
          }}
        />
      ) : (
        <>
          <Bubble text={text} />
          <div className="mt-0.5 flex min-h-8 items-center">
            <div className="flex opacity-0 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100">
              <CopyButton text={text} label="Copy message" />
              <IconButton label="Edit message" onClick={() => onEdit(message.id)}>
                <Pencil />
              </IconButton>
            </div>
            <BranchSwitch message={message} />
          </div>
        </>
      )}
    </article>
  );
});
