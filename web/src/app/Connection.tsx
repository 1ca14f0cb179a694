import { WifiOff } from "lucide-react";
import { useSelect } from "@/runtime/hooks";

/** Says that what is shown may be old. */
export function Connection() {
  const offline = useSelect((state) => state.connection === "offline");
  return (
    <div role="status">
      {offline && (
        <p className="flex items-center justify-center gap-2 bg-hover px-4 py-1.5 text-sm">
          <WifiOff aria-hidden className="size-4 shrink-0" />
          No connection to the server. Trying again…
        </p>
      )}
    </div>
  );
}
