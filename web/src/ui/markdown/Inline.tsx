import { Image } from "lucide-react";
import type { Token, Tokens } from "marked";
import type { ReactNode } from "react";
import { resolveEntities } from "./entities";
import { Formula } from "./Formula";
import type { MathToken } from "./grammar";
import { safeAddress } from "./links";

/** Marks within a paragraph. HTML is shown as it was written, never interpreted. */
export function Inline({ tokens }: { readonly tokens: readonly Token[] }): ReactNode {
  return tokens.map((token, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: marks of a text have nothing but their place
    <Mark key={index} token={token as Tokens.Generic | MathToken} />
  ));
}

function Mark({ token }: { readonly token: Tokens.Generic | MathToken }): ReactNode {
  switch (token.type) {
    case "math":
      return <Formula tex={token.tex} display={token.display} />;
    case "strong":
      return <strong>{inner(token)}</strong>;
    case "em":
      return <em>{inner(token)}</em>;
    case "del":
      return <del>{inner(token)}</del>;
    case "codespan":
      return <code>{token.text}</code>;
    case "br":
      return <br />;
    case "link":
      return <Link address={token.href}>{inner(token)}</Link>;
    case "image":
      return <Picture address={token.href} name={token.text || "image"} />;
    case "html":
      return /^<br\s*\/?>$/i.test(token.raw.trim()) ? <br /> : token.raw;
    case "escape":
      return token.text;
    default:
      return inner(token);
  }
}

function inner(token: Tokens.Generic | MathToken): ReactNode {
  if ("tokens" in token && token.tokens) return <Inline tokens={token.tokens} />;
  return resolveEntities("text" in token ? String(token.text) : token.raw);
}

/** A picture is not fetched: that would tell its server who reads this, and when. */
function Picture({ address, name }: { readonly address: string; readonly name: string }) {
  return (
    <Link address={address}>
      <Image aria-label="Picture:" className="mr-1 inline size-[1.1em] align-[-0.15em]" />
      {name}
    </Link>
  );
}

function Link({ address, children }: { readonly address: string; readonly children: ReactNode }) {
  const safe = safeAddress(address);
  if (safe === null) return children;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}
