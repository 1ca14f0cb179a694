import { type RefObject, useEffect, useRef } from "react";

/** A place that, when it comes near the visible part, calls `onSeen`; also again whenever `again`
 * changes and it is still near. */
export function useSeen(onSeen: () => void, again: unknown): RefObject<HTMLDivElement | null> {
  const place = useRef<HTMLDivElement>(null);
  const latest = useRef(onSeen);
  latest.current = onSeen;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new observer tells the state anew
  useEffect(() => {
    if (!place.current) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) latest.current();
      },
      { root: place.current.closest("[data-scrolls]"), rootMargin: "600px" },
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [again]);

  return place;
}
