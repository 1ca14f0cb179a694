import katex from "katex";
import "katex/dist/katex.min.css";

/** Draw a formula into an element; false when it is not one. */
export function typeset(place: HTMLElement, tex: string, displayMode: boolean): boolean {
  try {
    katex.render(tex, place, { displayMode, trust: false, maxExpand: 200, maxSize: 20 });
    return true;
  } catch {
    return false;
  }
}
