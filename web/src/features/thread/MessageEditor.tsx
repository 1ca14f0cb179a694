import { type KeyboardEvent, useState } from "react";
import { AutoTextarea } from "@/ui/AutoTextarea";
import { Button } from "@/ui/Button";
import { sendsMessage } from "@/ui/sendsMessage";

type Props = {
  readonly text: string;
  readonly onSend: (text: string) => void;
  readonly onCancel: () => void;
};

/** Another version of a message; the old one stays, on its own branch. */
export function MessageEditor({ text, onSend, onCancel }: Props) {
  const [changed, setChanged] = useState(text);
  const blank = changed.trim() === "";

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      event.stopPropagation();
      onCancel();
    } else if (sendsMessage(event)) {
      event.preventDefault();
      if (!blank) onSend(changed);
    }
  }

  return (
    <form
      className="w-full rounded-2xl border border-line bg-raised p-3"
      onSubmit={(event) => {
        event.preventDefault();
        if (!blank) onSend(changed);
      }}
    >
      <AutoTextarea
        aria-label="Edit your message"
        autoFocus
        value={changed}
        onChange={(event) => setChanged(event.target.value)}
        onKeyDown={onKeyDown}
        onFocus={(event) => event.target.setSelectionRange(changed.length, changed.length)}
        className="block max-h-[50dvh] w-full outline-none"
      />
      <div className="mt-2 flex flex-wrap items-center justify-between gap-2">
        <p className="text-muted text-xs">The earlier version is kept.</p>
        <div className="flex gap-2">
          <Button onClick={onCancel}>Cancel</Button>
          <Button look="primary" type="submit" disabled={blank}>
            Send
          </Button>
        </div>
      </div>
    </form>
  );
}
