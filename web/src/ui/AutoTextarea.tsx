import { type ComponentProps, useLayoutEffect, useRef } from "react";
import { classes } from "./classes";

type Props = ComponentProps<"textarea"> & { readonly value: string };

const GROWS = CSS.supports("field-sizing", "content");

/** As high as its text, up to the height its class allows. */
export function AutoTextarea({ className, value, ref: given, ...rest }: Props) {
  const own = useRef<HTMLTextAreaElement>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    if (GROWS || !own.current) return;
    own.current.style.height = "auto";
    own.current.style.height = `${own.current.scrollHeight}px`;
  }, [value]);

  return (
    <textarea
      ref={(element) => {
        own.current = element;
        if (typeof given === "function") given(element);
        else if (given) given.current = element;
      }}
      value={value}
      rows={1}
      className={classes("field-sizing-content resize-none", className)}
      {...rest}
    />
  );
}
