import { Check } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";
import { classes } from "./classes";

type MenuProps = {
  readonly trigger: ReactNode;
  readonly align?: "start" | "end";
  readonly children: ReactNode;
};

/** Stands where its trigger stands, so that it belongs to the same landmark, or dialog. */
export function Menu({ trigger, align = "end", children }: MenuProps) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Content
        align={align}
        sideOffset={6}
        collisionPadding={8}
        className="rise z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-48 max-w-[22rem] overflow-y-auto rounded-xl border border-line bg-raised p-1.5 shadow-lg"
      >
        {children}
      </Radix.Content>
    </Radix.Root>
  );
}

const ITEM =
  "flex w-full select-none items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-sm outline-none data-highlighted:bg-hover data-disabled:opacity-50 [&_svg]:size-4 [&_svg]:shrink-0 pointer-coarse:py-2.5";

export function MenuItem({ className, ...rest }: ComponentProps<typeof Radix.Item>) {
  return <Radix.Item className={classes(ITEM, className)} {...rest} />;
}

/** A word over the items that follow. */
export function MenuTitle({ children }: { readonly children: ReactNode }) {
  return (
    <Radix.Label className="px-2.5 pt-1.5 pb-1 font-medium text-muted text-xs">
      {children}
    </Radix.Label>
  );
}

type ChoiceProps = {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly children: ReactNode;
};

/** One of several; its children are `MenuOption`s. */
export function MenuChoice({ label, value, onChange, children }: ChoiceProps) {
  return (
    <Radix.RadioGroup value={value} onValueChange={onChange} aria-label={label}>
      <MenuTitle>{label}</MenuTitle>
      {children}
    </Radix.RadioGroup>
  );
}

export function MenuOption({ children, ...rest }: ComponentProps<typeof Radix.RadioItem>) {
  return (
    <Radix.RadioItem className={ITEM} {...rest}>
      <span className="min-w-0 flex-1">{children}</span>
      <Radix.ItemIndicator>
        <Check className="text-accent" />
      </Radix.ItemIndicator>
    </Radix.RadioItem>
  );
}

export function MenuLine() {
  return <Radix.Separator className="mx-2 my-1.5 h-px bg-line" />;
}
