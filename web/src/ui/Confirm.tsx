import { AlertDialog as Radix } from "radix-ui";
import { type RefObject, useRef } from "react";
import { Backdrop } from "./Backdrop";
import { Button } from "./Button";

type Props = {
  readonly open: boolean;
  readonly onClose: () => void;
  /** What gets the focus afterwards, when what had it before is gone by then. */
  readonly focusAfter?: RefObject<HTMLElement | null>;
  readonly onConfirm: () => void;
  readonly title: string;
  readonly description: string;
  readonly action: string;
};

/** A question before something that cannot be undone. */
export function Confirm({
  open,
  onClose,
  focusAfter,
  onConfirm,
  title,
  description,
  action,
}: Props) {
  const opener = useRef<Element | null>(null);
  return (
    <Radix.Root open={open} onOpenChange={(now) => !now && onClose()}>
      <Radix.Portal>
        <Backdrop />
        <Radix.Content
          aria-modal
          onOpenAutoFocus={() => {
            opener.current = document.activeElement;
          }}
          onCloseAutoFocus={(event) => {
            const next = focusAfter?.current ?? opener.current;
            if (!(next instanceof HTMLElement)) return;
            event.preventDefault();
            next.focus();
          }}
          className="rise fixed inset-x-4 top-1/2 z-50 mx-auto max-w-md -translate-y-1/2 rounded-2xl border border-line bg-raised p-6 shadow-xl"
        >
          <Radix.Title className="font-semibold text-lg">{title}</Radix.Title>
          <Radix.Description className="mt-2 text-muted text-sm">{description}</Radix.Description>
          <div className="mt-6 flex justify-end gap-2">
            <Radix.Cancel asChild>
              <Button>Cancel</Button>
            </Radix.Cancel>
            <Radix.Action asChild>
              <Button look="danger" onClick={onConfirm}>
                {action}
              </Button>
            </Radix.Action>
          </div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
