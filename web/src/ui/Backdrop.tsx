/** Dims what is behind a dialog. (Radix's own overlay also writes a style element, to keep the body
 * from scrolling: the content security policy forbids the one, and our body never does the other.) */
export function Backdrop() {
  return <div aria-hidden className="fixed inset-0 z-40 bg-black/45" />;
}
