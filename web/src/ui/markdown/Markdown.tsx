import { lazy, Suspense } from "react";

const load = () => import("./MarkdownText");
const MarkdownText = lazy(() => load().then((module) => ({ default: module.MarkdownText })));

type Props = { readonly text: string; readonly open?: boolean };

/** A text in Markdown; as it was written until the renderer is loaded. */
export function Markdown({ text, open = false }: Props) {
  return (
    <Suspense fallback={<div className="prose whitespace-pre-wrap">{text}</div>}>
      <MarkdownText text={text} open={open} />
    </Suspense>
  );
}
