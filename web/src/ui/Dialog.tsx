import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode, RefObject } from "react";
import { Backdrop } from "./Backdrop";
import { classes } from "./classes";
import { IconButton } from "./IconButton";

type Props = {
  readonly open: boolean;
  readonly onClose: () => void;
  /** What gets the focus afterwards, when what opened it is gone by then. */
  readonly focusAfter?: RefObject<HTMLElement | null>;
  readonly title: string;
  readonly description?: string;
  readonly wide?: boolean;
  readonly children: ReactNode;
};

export function Dialog({
  open,
  onClose,
  focusAfter,
  title,
  description,
  wide = false,
  children,
}: Props) {
  return (
    <Radix.Root open={open} onOpenChange={(now) => !now && onClose()}>
      <Radix.Portal>
        <Backdrop />
        <Radix.Content
          onCloseAutoFocus={(event) => {
            if (!focusAfter?.current) return;
            event.preventDefault();
            focusAfter.current.focus();
          }}
          {...(description === undefined ? { "aria-describedby": undefined } : {})}
          className={classes(
            "rise fixed inset-x-4 top-1/2 z-50 mx-auto max-h-[85dvh] -translate-y-1/2 overflow-y-auto",
            "rounded-2xl border border-line bg-raised p-6 shadow-xl",
            wide ? "max-w-2xl" : "max-w-md",
          )}
        >
          <Radix.Title className="pr-8 font-semibold text-lg">{title}</Radix.Title>
          {description !== undefined && (
            <Radix.Description className="mt-1 text-muted text-sm">{description}</Radix.Description>
          )}
          {children}
          {/* Last, so that what the dialog is about has the focus first. */}
          <Radix.Close asChild>
            <IconButton label="Close" className="absolute top-4 right-4">
              <X />
            </IconButton>
          </Radix.Close>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
