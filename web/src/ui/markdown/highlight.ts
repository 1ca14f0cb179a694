import { common, createLowlight } from "lowlight";
import { createElement, type ReactNode } from "react";

const lowlight = createLowlight(common);

type Node = ReturnType<typeof lowlight.highlight>["children"][number];

/** Code with its words in colour; null when the language is not known. */
export function highlight(code: string, language: string): ReactNode | null {
  if (!lowlight.registered(language)) return null;
  return lowlight.highlight(language, code).children.map(toReact);
}

function toReact(node: Node, index: number): ReactNode {
  if (node.type === "text") return node.value;
  if (node.type !== "element") return null;
  const names = node.properties.className;
  return createElement(
    "span",
    { key: index, className: Array.isArray(names) ? names.join(" ") : undefined },
    node.children.map((child, at) => toReact(child as Node, at)),
  );
}
