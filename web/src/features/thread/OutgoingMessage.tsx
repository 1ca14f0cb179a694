import { RotateCw, TriangleAlert, X } from "lucide-react";
import { useRuntime } from "@/runtime/hooks";
import type { Outgoing } from "@/runtime/state";
import { Button } from "@/ui/Button";
import { copyText } from "@/ui/clipboard";
import { Bubble } from "./Bubble";

/** A message that the server is not yet known to have. */
export function OutgoingMessage({ outgoing }: { readonly outgoing: Outgoing }) {
  const { retry, drop, notify } = useRuntime();

  async function discard(): Promise<void> {
    const kept = await copyText(outgoing.text);
    drop(outgoing.id);
    if (kept) notify("Discarded. Its text is on the clipboard.");
  }

  return (
    <article className="message flex flex-col items-end" data-outgoing={outgoing.id}>
      <h2 className="sr-only">You</h2>
      <Bubble text={outgoing.text} />
      {outgoing.phase === "sending" ? (
        <p className="mt-1.5 min-h-8 text-muted text-xs">Sending…</p>
      ) : (
        <div className="mt-2 flex flex-wrap items-center justify-end gap-2" role="alert">
          <p className="inline-flex items-center gap-1.5 text-danger text-sm">
            <TriangleAlert aria-hidden className="size-4 shrink-0" /> Not sent. {outgoing.problem}
          </p>
          <Button onClick={() => retry(outgoing.id)}>
            <RotateCw aria-hidden className="size-4" /> Send again
          </Button>
          <Button look="quiet" onClick={() => void discard()}>
            <X aria-hidden className="size-4" /> Discard
          </Button>
        </div>
      )}
    </article>
  );
}
