import type { ComponentProps, MouseEvent } from "react";

type Props = ComponentProps<"a"> & {
  readonly href: string;
  readonly onNavigate: (path: string) => void;
};

/** A link within the page; other buttons and keys of the mouse do what they always do. */
export function Link({ href, onNavigate, onClick, ...rest }: Props) {
  function follow(event: MouseEvent<HTMLAnchorElement>): void {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (event.defaultPrevented || !plain || event.altKey) return;
    event.preventDefault();
    onNavigate(href);
  }
  return <a href={href} onClick={follow} {...rest} />;
}
