import { memo } from "react";
import type { Message } from "@/api/schema";
import { useSelect } from "@/runtime/hooks";
import { isLive } from "@/runtime/threads";
import { Markdown } from "@/ui/markdown/Markdown";
import { ReplyActions } from "./ReplyActions";
import { ReplyState } from "./ReplyState";

type Props = {
  readonly message: Message;
  /** The end of the branch: only there an answer goes on. */
  readonly last: boolean;
  /** Who could answer again. */
  readonly models: readonly string[];
};

export const Reply = memo(function Reply({ message, last, models }: Props) {
  const streamed = useSelect((state) => state.replies[message.id]);
  const live = isLive(message);
  const text = (live ? streamed?.text : message.text) ?? "";

  return (
    <article
      className="message group"
      data-message={message.id}
      data-status={message.status}
      aria-busy={live}
    >
      <h2 className="sr-only">Assistant</h2>
      {message.context !== null && message.context.left_out > 0 && (
        <p className="mb-3 text-muted text-xs">
          {leftOut(message.context.left_out)} left out of what the model was shown: it would not
          fit.
        </p>
      )}
      {text !== "" && <Markdown text={text} open={live} />}
      {live ? (
        <Waiting ahead={streamed?.ahead ?? null} started={text !== ""} />
      ) : (
        <>
          <ReplyState message={message} last={last} />
          <ReplyActions message={message} last={last} models={models} />
        </>
      )}
    </article>
  );
});

function leftOut(count: number): string {
  return count === 1 ? "1 earlier message was" : `${count} earlier messages were`;
}

function Waiting({ ahead, started }: { readonly ahead: number | null; readonly started: boolean }) {
  return (
    <p className="mt-2 flex min-h-8 items-center gap-2.5 text-muted text-sm">
      <span aria-hidden className="dots inline-flex gap-1">
        <i className="size-1.5 rounded-full bg-accent" />
        <i className="size-1.5 rounded-full bg-accent" />
        <i className="size-1.5 rounded-full bg-accent" />
      </span>
      {!started && (ahead ? `Waiting: ${ahead} ahead of you` : "Thinking…")}
    </p>
  );
}
