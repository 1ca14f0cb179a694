import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** From here on the content is followed. */
const END_PX = 8;
/** Nearer than this there is no need to offer a way to the end. */
const NEAR_PX = 120;
/** By these a person scrolls; what comes within this time after one is hers. */
const ACTS = ["wheel", "touchmove", "keydown", "pointerdown"] as const;
const ACT_MS = 500;

type StickyScroll = {
  readonly box: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  readonly atEnd: boolean;
  readonly toEnd: () => void;
};

type Held = { readonly message: Element; readonly top: number };

/** Stays at the end while the content grows, unless the person has scrolled away from it; and
 * stays where it is when content comes in above (`first` names what stands first). */
export function useStickyScroll(first: string | undefined): StickyScroll {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const held = useRef<Held | null>(null);
  const [atEnd, setAtEnd] = useState(true);

  const toEnd = useCallback(() => {
    sticks.current = true;
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, []);

  useEffect(() => {
    const element = box.current;
    if (!element || !content.current) return;
    let top = element.scrollTop;
    let height = element.scrollHeight;
    let actedAt = -Infinity;
    const onAct = (): void => {
      actedAt = performance.now();
    };
    const onScroll = (): void => {
      const below = element.scrollHeight - element.scrollTop - element.clientHeight;
      // Content that shrinks and grows again (a formula is set, code is coloured) moves it as well.
      const byPerson = element.scrollHeight === height || performance.now() - actedAt < ACT_MS;
      if (below < END_PX) sticks.current = true;
      else if (element.scrollTop < top - 1 && byPerson) sticks.current = false;
      top = element.scrollTop;
      height = element.scrollHeight;
      held.current = topmost(element) ?? held.current;
      setAtEnd(below < NEAR_PX || sticks.current);
    };
    const observer = new ResizeObserver(() => {
      if (sticks.current) element.scrollTop = element.scrollHeight;
      onScroll();
    });
    element.addEventListener("scroll", onScroll, { passive: true });
    for (const act of ACTS) element.addEventListener(act, onAct, { passive: true });
    observer.observe(element);
    observer.observe(content.current);
    return () => {
      element.removeEventListener("scroll", onScroll);
      for (const act of ACTS) element.removeEventListener(act, onAct);
      observer.disconnect();
    };
  }, []);

  // Browsers hold the place themselves, but not all of them, and none at the very top.
  // biome-ignore lint/correctness/useExhaustiveDependencies: what comes in above changes the first
  useLayoutEffect(() => {
    if (!box.current || !held.current || sticks.current) return;
    box.current.scrollTop += held.current.message.getBoundingClientRect().top - held.current.top;
  }, [first]);

  return { box, content, atEnd, toEnd };
}

/** The message at the upper edge, and how high it stands. */
function topmost(box: HTMLElement): Held | null {
  const { left, top, width } = box.getBoundingClientRect();
  for (const below of [4, 44, 84]) {
    const at = document.elementFromPoint(left + width / 2, top + below);
    const message = at?.closest("[data-message]");
    if (message) return { message, top: message.getBoundingClientRect().top };
  }
  return null;
}
