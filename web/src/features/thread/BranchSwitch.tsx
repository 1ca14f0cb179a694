import { ChevronLeft, ChevronRight } from "lucide-react";
import type { Message } from "@/api/schema";
import { newestLeafBelow, siblingsOf } from "@/runtime/branches";
import { useRuntime, useSelect } from "@/runtime/hooks";
import { IconButton } from "@/ui/IconButton";

/** Which of several versions of a message is shown. */
export function BranchSwitch({ message }: { readonly message: Message }) {
  const { change } = useRuntime();
  const thread = useSelect((state) => state.threads[message.conversation_id]);
  if (!thread) return null;
  const versions = siblingsOf(thread.messages, message, thread.hasBefore);
  const index = versions.findIndex((one) => one.id === message.id);
  if (versions.length < 2) return null;

  function show(to: number): void {
    const version = versions[to];
    if (!version || !thread) return;
    void change(message.conversation_id, { leaf_id: newestLeafBelow(thread.messages, version.id) });
  }

  return (
    <div className="flex items-center text-muted text-xs tabular-nums">
      <IconButton
        label="Previous version"
        disabled={index <= 0}
        onClick={() => show(index - 1)}
        className="w-6"
      >
        <ChevronLeft />
      </IconButton>
      <span>
        <span className="sr-only">Version </span>
        {index + 1}/{versions.length}
      </span>
      <IconButton
        label="Next version"
        disabled={index >= versions.length - 1}
        onClick={() => show(index + 1)}
        className="w-6"
      >
        <ChevronRight />
      </IconButton>
    </div>
  );
}
