import type { Token, Tokens } from "marked";
import { createElement, memo, type ReactNode } from "react";
import { CodeBlock } from "./CodeBlock";
import { Formula } from "./Formula";
import type { MathToken } from "./grammar";
import { Inline } from "./Inline";

type Props = {
  readonly token: Token;
  /** It is still being written. */
  readonly open?: boolean;
  /** Of a heading; without one it is a line in bold. */
  readonly level?: number | undefined;
};

/** One block. The same source draws the same, so it is drawn once. */
export const Block = memo(
  function Block({ token, open = false, level }: Props): ReactNode {
    if (token.type === "heading")
      return <Heading heading={token as Tokens.Heading} level={level} />;
    return draw(token as Tokens.Generic | MathToken, open);
  },
  (before, now) =>
    before.token.raw === now.token.raw && before.open === now.open && before.level === now.level,
);

function draw(token: Tokens.Generic | MathToken, open: boolean): ReactNode {
  switch (token.type) {
    case "math":
      return <Formula tex={token.tex} display={token.display} />;
    case "space":
    case "def":
      return null;
    case "hr":
      return <hr />;
    case "code":
      return <CodeBlock code={token.text} language={languageOf(token.lang)} open={open} />;
    case "blockquote":
      return <blockquote>{children(token.tokens, open)}</blockquote>;
    case "list":
      return <List list={token as Tokens.List} open={open} />;
    case "table":
      return <Table table={token as Tokens.Table} />;
    case "html":
      return <p className="whitespace-pre-wrap">{token.raw.trimEnd()}</p>;
    case "text":
      return <Inline tokens={token.tokens ?? [token as Token]} />;
    default:
      return (
        <p>
          <Inline tokens={("tokens" in token && token.tokens) || []} />
        </p>
      );
  }
}

type HeadingProps = { readonly heading: Tokens.Heading; readonly level: number | undefined };

function Heading({ heading, level }: HeadingProps): ReactNode {
  const Tag = level === undefined ? "p" : TAGS[Math.min(level, 6)];
  return createElement(
    Tag ?? "p",
    { className: "heading", "data-depth": heading.depth },
    <Inline tokens={heading.tokens} />,
  );
}

const TAGS: Readonly<Record<number, "h3" | "h4" | "h5" | "h6">> = {
  3: "h3",
  4: "h4",
  5: "h5",
  6: "h6",
};

function children(tokens: readonly Token[] | undefined, open: boolean): ReactNode {
  return tokens?.map((token, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: blocks of a text have nothing but their place
    <Block key={index} token={token} open={open && index === tokens.length - 1} />
  ));
}

function languageOf(info: unknown): string {
  return (
    (typeof info === "string" ? info : "")
      .trim()
      .split(/[\s{,]/)[0]
      ?.toLowerCase() ?? ""
  );
}

function List({ list, open }: { readonly list: Tokens.List; readonly open: boolean }): ReactNode {
  const items = list.items.map((item, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: items of a text have nothing but their place
    <li key={index} className={item.task ? "list-none -ml-5" : undefined}>
      {item.task && <Tick checked={item.checked ?? false} />}
      {children(
        item.tokens.filter((token) => token.type !== "checkbox"),
        open && index === list.items.length - 1,
      )}
    </li>
  ));
  return list.ordered ? <ol start={Number(list.start) || 1}>{items}</ol> : <ul>{items}</ul>;
}

function Tick({ checked }: { readonly checked: boolean }): ReactNode {
  return (
    <span role="img" aria-label={checked ? "done" : "to do"} className="mr-2">
      {checked ? "☑" : "☐"}
    </span>
  );
}

function Table({ table }: { readonly table: Tokens.Table }): ReactNode {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="table-scroll" tabIndex={0} aria-label="Table">
      <table>
        <thead>
          <tr>
            {table.header.map((cell, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: cells have nothing but their place
              <th key={index} scope="col" style={{ textAlign: cell.align ?? undefined }}>
                <Inline tokens={cell.tokens} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows have nothing but their place
            <tr key={index}>
              {row.map((cell, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: cells have nothing but their place
                <td key={at} style={{ textAlign: cell.align ?? undefined }}>
                  <Inline tokens={cell.tokens} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
