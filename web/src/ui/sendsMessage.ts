import type { KeyboardEvent } from "react";
import { isTouch } from "./useMedia";

/** Whether a key sends what was written: Enter, with Ctrl or Cmd also where Enter is a new line
 * (keyboards on glass have no Shift to hold). An Enter that ends a composition sends nothing. */
export function sendsMessage(event: KeyboardEvent): boolean {
  if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return false;
  return event.ctrlKey || event.metaKey || !isTouch();
}
