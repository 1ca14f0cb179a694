import { useEffect } from "react";
import { useRuntime } from "@/runtime/hooks";
import { navigate } from "@/runtime/route";
import { ConversationList } from "./ConversationList";

/** The conversations that were put away. */
export function Archive() {
  const { openList } = useRuntime();
  useEffect(() => {
    document.title = "Archive · Tertulia";
    void openList(true);
  }, [openList]);

  return (
    <div data-scrolls className="flex-1 overflow-y-auto">
      <div className="mx-auto max-w-2xl p-4 sm:p-8">
        <h1 className="mb-6 font-display text-3xl">Archive</h1>
        <div className="-mx-2.5">
          <ConversationList archived onNavigate={navigate} />
        </div>
      </div>
    </div>
  );
}
