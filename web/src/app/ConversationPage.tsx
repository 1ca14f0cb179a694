import { useCallback, useEffect, useMemo, useState } from "react";
import { Composer, focusComposer } from "@/features/composer/Composer";
import { titleOf } from "@/features/conversations/titles";
import { ModelOffer } from "@/features/models/ModelOffer";
import { ModelPicker } from "@/features/models/ModelPicker";
import { readyNames, useModels } from "@/features/models/queries";
import { Thread } from "@/features/thread/Thread";
import { useRuntime, useSelect } from "@/runtime/hooks";
import { isLive } from "@/runtime/threads";
import { Button } from "@/ui/Button";
import { Spinner } from "@/ui/Spinner";
import { NotFound } from "./NotFound";
import { useShown } from "./useShown";

/** One conversation: what was said, and the place to say more. */
export function ConversationPage({ id }: { readonly id: string }) {
  const runtime = useRuntime();
  const conversation = useSelect((state) => state.conversations[id]);
  const phase = useSelect((state) => state.threads[id]?.phase ?? "loading");
  const { whole, thread, branch, outgoing } = useShown(id);
  const [editing, setEditing] = useState<string | null>(null);
  const { data } = useModels();
  const models = useMemo(() => readyNames(data), [data]);
  const last = branch.at(-1);
  const live = last && isLive(last) ? last : null;

  useEffect(() => {
    document.title = `${titleOf(conversation)} · Tertulia`;
  }, [conversation]);

  const { send, stop } = runtime;
  const sendAfter = useCallback(
    (parentId: string | null, text: string) => {
      send({ conversationId: id, parentId, text, model: null });
    },
    [id, send],
  );
  const edit = useCallback((message: string | null) => {
    setEditing(message);
    if (message === null) focusComposer();
  }, []);
  const lastOwn = useMemo(() => branch.findLast((one) => one.author === "user")?.id, [branch]);

  useEffect(() => {
    if (!live) return;
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !event.defaultPrevented) void stop(live);
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [live, stop]);

  if (phase === "missing") return <NotFound what="This conversation is not here" />;
  if (phase === "failed") {
    return (
      <div className="flex flex-1 flex-col items-center justify-center gap-4 p-6 text-center">
        <p className="text-muted">The conversation could not be loaded.</p>
        <Button look="primary" onClick={() => void runtime.openThread(id)}>
          Try again
        </Button>
      </div>
    );
  }
  return (
    <>
      {!whole || !thread ? (
        <div className="flex flex-1 items-center justify-center">
          <Spinner label="Opening the conversation…" />
        </div>
      ) : (
        <Thread
          conversationId={id}
          thread={thread}
          branch={branch}
          outgoing={outgoing}
          editing={editing}
          models={models}
          onEdit={edit}
          onSend={sendAfter}
        />
      )}
      <div className="mx-auto w-full max-w-3xl space-y-3 px-3 pb-3 sm:px-6 sm:pb-5">
        <ModelOffer />
        <Composer
          place={id}
          ready={whole}
          busy={live !== null}
          tools={
            <ModelPicker
              model={conversation?.model ?? null}
              onChange={(model) => void runtime.change(id, { model })}
            />
          }
          onSend={(text) => sendAfter(last?.id ?? null, text)}
          onStop={() => live && void stop(live)}
          {...(lastOwn && !live ? { onEditLast: () => setEditing(lastOwn) } : {})}
        />
      </div>
    </>
  );
}
