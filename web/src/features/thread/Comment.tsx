import { Pencil } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import type { Feedback, Message } from "@/api/schema";
import { useRuntime } from "@/runtime/hooks";
import { AutoTextarea } from "@/ui/AutoTextarea";
import { Button } from "@/ui/Button";
import { IconButton } from "@/ui/IconButton";
import { sendsMessage } from "@/ui/sendsMessage";

const LONGEST = 4_000;

type Props = {
  readonly message: Message;
  readonly feedback: Feedback;
  readonly editing: boolean;
  readonly onEdit: (editing: boolean) => void;
};

/** What a person said of an answer, beside the thumb. */
export function Comment({ message, feedback, editing, onEdit }: Props) {
  const comment = feedback.comment ?? "";
  if (editing) {
    return <Editor message={message} feedback={feedback} onClose={() => onEdit(false)} />;
  }
  if (comment === "") return null;
  return (
    <div className="mt-1 flex items-start gap-1 border-line border-l-2 pl-3 text-muted text-sm">
      <p className="min-w-0 flex-1 whitespace-pre-wrap break-words py-1.5">
        <span className="sr-only">Your comment: </span>
        {comment}
      </p>
      <IconButton label="Edit comment" onClick={() => onEdit(true)}>
        <Pencil />
      </IconButton>
    </div>
  );
}

type EditorProps = {
  readonly message: Message;
  readonly feedback: Feedback;
  readonly onClose: () => void;
};

function Editor({ message, feedback, onClose }: EditorProps) {
  const { rate } = useRuntime();
  const [text, setText] = useState(feedback.comment ?? "");
  const [busy, setBusy] = useState(false);

  async function save(): Promise<void> {
    if (busy) return;
    setBusy(true);
    const saved = await rate(message, { rating: feedback.rating, comment: text.trim() });
    setBusy(false);
    if (saved) onClose();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    } else if (sendsMessage(event)) {
      event.preventDefault();
      void save();
    }
  }

  return (
    <form
      className="mt-1 rounded-xl border border-line bg-raised p-3"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <AutoTextarea
        aria-label="Your comment"
        autoFocus
        value={text}
        maxLength={LONGEST}
        placeholder={feedback.rating === "up" ? "What was good?" : "What was wrong?"}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        className="block max-h-[30dvh] w-full text-sm outline-none placeholder:text-muted pointer-coarse:text-base"
      />
      <div className="mt-2 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="primary" type="submit" disabled={busy}>
          Save
        </Button>
      </div>
    </form>
  );
}
