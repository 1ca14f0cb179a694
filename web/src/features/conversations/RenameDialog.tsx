import { type FormEvent, type RefObject, useState } from "react";
import type { Conversation } from "@/api/schema";
import { useRuntime } from "@/runtime/hooks";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";

type Props = {
  readonly conversation: Conversation;
  readonly onClose: () => void;
  readonly focusAfter: RefObject<HTMLElement | null>;
};

export function RenameDialog({ conversation, onClose, focusAfter }: Props) {
  const { change } = useRuntime();
  const [title, setTitle] = useState(conversation.title ?? "");

  async function save(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (await change(conversation.id, { title: title.trim() })) onClose();
  }

  return (
    <Dialog open onClose={onClose} focusAfter={focusAfter} title="Rename the conversation">
      <form onSubmit={(event) => void save(event)}>
        <label className="mt-4 block text-muted text-sm" htmlFor="title">
          Title
        </label>
        <input
          id="title"
          value={title}
          maxLength={200}
          onChange={(event) => setTitle(event.target.value)}
          onFocus={(event) => event.target.select()}
          className="mt-1 w-full rounded-lg border border-line bg-paper px-3 py-2"
        />
        <div className="mt-5 flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" disabled={title.trim() === ""}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
