import type { ComponentProps } from "react";
import { classes } from "./classes";

const LOOKS = {
  primary: "bg-accent text-on-accent hover:brightness-110",
  plain: "border border-line bg-raised hover:bg-hover",
  quiet: "hover:bg-hover",
  danger: "bg-danger text-paper hover:brightness-110",
} as const;

type Props = ComponentProps<"button"> & {
  readonly look?: keyof typeof LOOKS;
  readonly round?: boolean;
};

export function Button({ look = "plain", round = false, className, ...rest }: Props) {
  return (
    <button
      type="button"
      className={classes(
        "inline-flex h-9 items-center justify-center gap-2 px-3.5 font-medium text-sm",
        "transition-[background-color,filter] disabled:cursor-default disabled:opacity-50",
        round ? "rounded-full" : "rounded-lg",
        LOOKS[look],
        className,
      )}
      {...rest}
    />
  );
}
