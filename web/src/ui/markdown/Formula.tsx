import { useEffect, useRef, useState } from "react";

/** A formula; its source until the typesetter is loaded, and when it is wrong. */
export function Formula({ tex, display }: { readonly tex: string; readonly display: boolean }) {
  const place = useRef<HTMLSpanElement>(null);
  const [failed, setFailed] = useState(false);

  useEffect(() => {
    let current = true;
    import("./typeset")
      .then(({ typeset }) => {
        if (current && place.current) setFailed(!typeset(place.current, tex, display));
      })
      .catch(() => setFailed(true));
    return () => {
      current = false;
    };
  }, [tex, display]);

  const className = display ? "block overflow-x-auto py-2 text-center" : "";
  if (failed) return <code className={className}>{tex}</code>;
  return (
    <span ref={place} className={className}>
      {tex}
    </span>
  );
}
