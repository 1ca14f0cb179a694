import { ArrowDown } from "lucide-react";
import { useEffect } from "react";
import type { Message } from "@/api/schema";
import { useRuntime } from "@/runtime/hooks";
import type { Outgoing, Thread as ThreadState } from "@/runtime/state";
import { Button } from "@/ui/Button";
import { Spinner } from "@/ui/Spinner";
import { useSeen } from "@/ui/useSeen";
import { Announcer } from "./Announcer";
import { OutgoingMessage } from "./OutgoingMessage";
import { Reply } from "./Reply";
import { UserMessage } from "./UserMessage";
import { useStickyScroll } from "./useStickyScroll";

type Props = {
  readonly conversationId: string;
  readonly thread: ThreadState;
  readonly branch: readonly Message[];
  readonly outgoing: readonly Outgoing[];
  readonly editing: string | null;
  /** Who could answer. */
  readonly models: readonly string[];
  readonly onEdit: (id: string | null) => void;
  readonly onSend: (parentId: string | null, text: string) => void;
};

/** The shown branch of a conversation; earlier messages come as its top nears. */
export function Thread({
  conversationId,
  thread,
  branch,
  outgoing,
  editing,
  models,
  onEdit,
  onSend,
}: Props) {
  const { olderMessages } = useRuntime();
  const { box, content, atEnd, toEnd } = useStickyScroll(branch[0]?.id);
  const top = useSeen(() => {
    if (thread.before === "idle") void olderMessages(conversationId);
  }, thread);
  const last = branch.at(-1);
  const sent = outgoing.at(-1)?.id;

  useEffect(() => {
    if (sent) toEnd();
  }, [sent, toEnd]);

  return (
    <div className="relative min-h-0 flex-1">
      <div ref={box} data-scrolls className="h-full overflow-y-auto">
        <div
          ref={content}
          className="mx-auto flex max-w-3xl flex-col gap-4 px-4 pt-6 pb-10 sm:px-6"
        >
          <div ref={top} className="-mb-4" />
          {thread.before === "loading" && <Spinner label="Loading earlier messages…" />}
          {thread.before === "failed" && (
            <Button onClick={() => void olderMessages(conversationId)}>
              Load earlier messages
            </Button>
          )}
          {branch.map((message) =>
            message.author === "user" ? (
              <UserMessage
                key={message.id}
                message={message}
                editing={editing === message.id}
                onEdit={onEdit}
                onSend={onSend}
              />
            ) : (
              <Reply
                key={message.id}
                message={message}
                last={message === last && outgoing.length === 0}
                models={models}
              />
            ),
          )}
          {outgoing.map((one) => (
            <OutgoingMessage key={one.id} outgoing={one} />
          ))}
        </div>
      </div>
      {!atEnd && (
        <Button
          round
          onClick={toEnd}
          className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-md"
        >
          <ArrowDown aria-hidden className="size-4" /> Latest
        </Button>
      )}
      <Announcer
        key={conversationId}
        thread={thread}
        reply={last?.author === "assistant" ? last : null}
      />
    </div>
  );
}
