import { useEffect, useState } from "react";
import { Composer } from "@/features/composer/Composer";
import { ModelOffer } from "@/features/models/ModelOffer";
import { ModelPicker } from "@/features/models/ModelPicker";
import { hasReady, useModels } from "@/features/models/queries";
import { useRuntime } from "@/runtime/hooks";
import { conversationPath, navigate } from "@/runtime/route";

const STARTERS = [
  "Explain in simple words",
  "Write a letter about",
  "Give me ideas for",
  "Compare",
];

/** The start of a conversation. */
export function NewPage() {
  const { send } = useRuntime();
  const ready = hasReady(useModels().data);
  const [model, setModel] = useState<string | null>(null);

  useEffect(() => {
    document.title = "Tertulia";
  }, []);

  function start(text: string): void {
    navigate(conversationPath(send({ conversationId: null, parentId: null, text, model })));
  }

  return (
    <div data-scrolls className="flex flex-1 flex-col overflow-y-auto px-4 sm:px-6">
      <div className="mx-auto my-auto w-full max-w-2xl py-8 sm:pb-28">
        <h1 className="mb-7 text-center font-display text-3xl tracking-tight sm:text-4xl">
          What shall we talk about?
        </h1>
        <Composer
          place="new"
          ready
          busy={false}
          tools={<ModelPicker model={model} onChange={setModel} />}
          onSend={start}
          onStop={() => undefined}
          {...(ready ? { starters: STARTERS } : {})}
        />
        <div className="mt-6">
          <ModelOffer />
        </div>
      </div>
    </div>
  );
}
