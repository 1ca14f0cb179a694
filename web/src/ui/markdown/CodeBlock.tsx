import { memo, type ReactNode, useEffect, useState } from "react";
import { CopyButton } from "@/ui/CopyButton";

type Props = { readonly code: string; readonly language: string; readonly open: boolean };

/** Colouring reads the whole block: beyond this it waits until the block is written. */
const OPEN_LIMIT = 4_000;
/** A page of colours is of use to nobody at this length. */
const LIMIT = 100_000;

export const CodeBlock = memo(function CodeBlock({ code, language, open }: Props) {
  return (
    <figure className="code-block">
      <figcaption>
        <span>{language || "text"}</span>
        <CopyButton text={code} label="Copy code" />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code>{useHighlighted(code, language, open)}</code>
      </pre>
    </figure>
  );
});

function useHighlighted(code: string, language: string, open: boolean): ReactNode {
  const [coloured, setColoured] = useState<{ code: string; content: ReactNode } | null>(null);
  const wanted = language !== "" && code.length <= (open ? OPEN_LIMIT : LIMIT);

  useEffect(() => {
    if (!wanted) return;
    let current = true;
    import("./highlight")
      .then(({ highlight }) => {
        const content = highlight(code, language);
        if (current && content) setColoured({ code, content });
      })
      .catch(() => undefined); // without colours it is still the code
    return () => {
      current = false;
    };
  }, [code, language, wanted]);

  if (!coloured || !code.startsWith(coloured.code)) return code;
  return (
    <>
      {coloured.content}
      {code.slice(coloured.code.length)}
    </>
  );
}
