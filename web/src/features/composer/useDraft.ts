import { useCallback, useEffect, useRef, useState } from "react";
import { saved } from "@/runtime/saved";

const SAVE_MS = 250;

/** The unsent text of one place, kept over reloads. */
export function useDraft(place: string): readonly [string, (text: string) => void] {
  const [text, setText] = useState(() => saved.draft(place));
  const unsaved = useRef<string | null>(null);

  useEffect(() => {
    const save = (): void => {
      if (unsaved.current === null) return;
      saved.keepDraft(place, unsaved.current);
      unsaved.current = null;
    };
    const timer = setInterval(save, SAVE_MS);
    addEventListener("pagehide", save);
    return () => {
      save();
      clearInterval(timer);
      removeEventListener("pagehide", save);
    };
  }, [place]);

  const change = useCallback((next: string) => {
    unsaved.current = next;
    setText(next);
  }, []);
  return [text, change];
}
