import type { ComponentProps } from "react";
import { classes } from "./classes";

type Props = Omit<ComponentProps<"button">, "aria-label" | "title"> & { readonly label: string };

/** A button that shows a picture; `label` is its name. */
export function IconButton({ label, className, ...rest }: Props) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={classes(
        "inline-flex size-8 shrink-0 items-center justify-center rounded-lg text-muted transition-colors",
        "hover:bg-hover hover:text-ink disabled:cursor-default disabled:opacity-40",
        "aria-pressed:text-accent pointer-coarse:size-10 [&_svg]:size-[1.05rem]",
        className,
      )}
      {...rest}
    />
  );
}
