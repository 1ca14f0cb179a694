import { Marked, type Token, type TokenizerAndRendererExtension, type Tokens } from "marked";

/** A formula, in TeX. */
export type MathToken = {
  readonly type: "math";
  readonly raw: string;
  readonly tex: string;
  readonly display: boolean;
};

/** Past this, a paragraph has no emphasis: looking for it takes the square of the length. */
const EMPHASIS_LIMIT = 10_000;

// Bounded where nothing else stops them, so that a thousand openings are not a thousand searches.
const DISPLAY = /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]{1,4000}?)\\\])/;
const BLOCK = /^ {0,3}(?:\$\$([^$]+?)\$\$|\\\[([\s\S]{1,4000}?)\\\])[ \t]*(?:\n|$)/;
// As in Pandoc: no space inside the dollars, no digit behind them, so that "$5 and $10" is money.
const INLINE = /^(?:\$(?![\s$])((?:[^$\n\\]|\\.)*?[^\s$\\]|\\.)\$(?![\d$])|\\\((.{1,1000}?)\\\))/;

const WEB = /^(?:https?:\/\/|www\.)/i;
/** Text up to where something else may begin. */
const PLAIN = /^(?:[`~]+|[^`~])[\s\S]*?(?=[\\<![`*~_$]|https?:\/\/|www\.| {2,}\n|$)/i;

const blockMath: TokenizerAndRendererExtension = {
  name: "math",
  level: "block",
  tokenizer: (source) => formula(BLOCK.exec(source), true),
};

const inlineMath: TokenizerAndRendererExtension = {
  name: "inlineMath",
  level: "inline",
  tokenizer: (source) => formula(DISPLAY.exec(source), true) ?? formula(INLINE.exec(source), false),
};

const marked = new Marked({
  gfm: true,
  extensions: [blockMath, inlineMath],
  tokenizer: {
    emStrong(source) {
      if (source.length < EMPHASIS_LIMIT) return false;
      const raw = /^(?:\*+|_+)/.exec(source)?.[0];
      return raw ? ({ type: "text", raw, text: raw } as unknown as Tokens.Em) : undefined;
    },
    // Without bare mail addresses, and without an extension's `start` for formulas: each would
    // search all that follows, at every mark.
    url: (source) => (WEB.test(source) ? false : undefined),
    inlineText(source) {
      const raw = PLAIN.exec(source)?.[0];
      return raw ? { type: "text", raw, text: raw, escaped: false } : undefined;
    },
  },
});

/** The blocks of a Markdown text; their `raw` texts joined are the text. */
export function lex(text: string): Token[] {
  try {
    return marked.lexer(text);
  } catch {
    // Too deeply nested for the parser's recursion.
    return [{ type: "text", raw: text, text }];
  }
}

function formula(match: RegExpExecArray | null, display: boolean): MathToken | undefined {
  const tex = match?.[1] ?? match?.[2];
  if (!match || tex === undefined) return undefined;
  return { type: "math", raw: match[0], tex: tex.trim(), display };
}
