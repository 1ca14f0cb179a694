import { Dialog } from "radix-ui";
import type { ReactNode } from "react";
import { Backdrop } from "@/ui/Backdrop";

type Props = {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
};

/** The list on a narrow screen. */
export function Drawer({ open, onClose, children }: Props) {
  return (
    <Dialog.Root open={open} onOpenChange={(now) => !now && onClose()}>
      <Dialog.Portal>
        <Backdrop />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed inset-y-0 left-0 z-50 w-[min(20rem,86vw)] border-line border-r shadow-xl outline-none"
        >
          <Dialog.Title className="sr-only">Conversations</Dialog.Title>
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
