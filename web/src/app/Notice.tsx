import { X } from "lucide-react";
import { useEffect } from "react";
import { useRuntime, useSelect } from "@/runtime/hooks";
import { IconButton } from "@/ui/IconButton";

const SHOWN_MS = 6_000;

/** What is said in passing. */
export function Notice() {
  const { dismiss } = useRuntime();
  const notice = useSelect((state) => state.notice);

  useEffect(() => {
    if (!notice) return;
    const timer = setTimeout(dismiss, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [notice, dismiss]);

  return (
    <div role="status" className="fixed inset-x-4 top-4 z-50 flex justify-center">
      {notice && (
        <div
          key={notice.id}
          className="rise flex max-w-lg items-center gap-3 rounded-xl bg-ink py-1.5 pr-1.5 pl-4 text-paper text-sm shadow-lg"
        >
          {notice.text}
          <IconButton label="Close the message" onClick={dismiss} className="text-paper">
            <X />
          </IconButton>
        </div>
      )}
    </div>
  );
}
