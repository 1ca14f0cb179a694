import { useEffect } from "react";
import { focusComposer } from "@/features/composer/Composer";
import { navigate } from "@/runtime/route";

type Actions = { readonly onList: () => void; readonly onHelp: () => void };

/** The keys that work everywhere. Single letters only where nothing is being typed. */
export function useShortcuts({ onList, onHelp }: Actions): void {
  useEffect(() => {
    function onKeyDown(event: KeyboardEvent): void {
      const action = actionOf(event, { onList, onHelp });
      if (!action || event.defaultPrevented || document.querySelector("[role$=dialog]")) return;
      event.preventDefault();
      action();
    }
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [onList, onHelp]);
}

function actionOf(event: KeyboardEvent, { onList, onHelp }: Actions): (() => void) | null {
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (command && event.shiftKey && key === "o") return () => navigate("/");
  if (command && key === "b") return onList;
  if (command || event.altKey || isTyping(event.target)) return null;
  if (key === "?") return onHelp;
  if (key === "/") return focusComposer;
  return null;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, [contenteditable]");
}
