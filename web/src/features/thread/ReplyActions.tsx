import { RefreshCw, ThumbsDown, ThumbsUp } from "lucide-react";
import type { Message } from "@/api/schema";
import { useRuntime } from "@/runtime/hooks";
import { CopyButton } from "@/ui/CopyButton";
import { IconButton } from "@/ui/IconButton";
import { BranchSwitch } from "./BranchSwitch";

/** What can be done with an answer. */
export function ReplyActions({ message }: { readonly message: Message }) {
  const { rate, regenerate } = useRuntime();
  const rating = message.feedback?.rating;
  return (
    <div className="-ml-1.5 flex flex-wrap items-center">
      <BranchSwitch message={message} />
      <CopyButton text={message.text ?? ""} label="Copy answer" />
      <IconButton
        label="Good answer"
        aria-pressed={rating === "up"}
        onClick={() => void rate(message, "up")}
      >
        <ThumbsUp />
      </IconButton>
      <IconButton
        label="Bad answer"
        aria-pressed={rating === "down"}
        onClick={() => void rate(message, "down")}
      >
        <ThumbsDown />
      </IconButton>
      <IconButton label="Answer again" onClick={() => void regenerate(message, null)}>
        <RefreshCw />
      </IconButton>
      <span className="ml-2 text-muted text-xs">{describe(message)}</span>
    </div>
  );
}

function describe({ model, usage }: Message): string {
  const tokens = usage ? `${usage.completion_tokens} tokens` : null;
  return [model, tokens].filter(Boolean).join(" · ");
}
