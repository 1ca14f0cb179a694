import type { Token } from "marked";
import { lex } from "./grammar";
import { mend } from "./mend";

/** A text in blocks. Those before `settled` (a place in the text) cannot change any more by what
 * is yet to come. */
export type Blocks = {
  readonly text: string;
  readonly settled: number;
  readonly settledBlocks: readonly Token[];
  readonly tail: readonly Token[];
};

export const NO_BLOCKS: Blocks = { text: "", settled: 0, settledBlocks: [], tail: [] };

/** The blocks of `source`, of which `before` was an earlier state: only what is new, and the last
 * block, is read. `open`: there is more to come. */
export function advance(before: Blocks, source: string, open: boolean): Blocks {
  const text = source.includes("\r") ? source.replace(/\r\n?/g, "\n") : source;
  const start = text.startsWith(before.text.slice(0, before.settled)) ? before : NO_BLOCKS;
  const rest = text.slice(start.settled);
  const blocks = settledOf(rest);
  const length = blocks.reduce((sum, block) => sum + block.raw.length, 0);
  const tail = rest.slice(length);
  return {
    text,
    settled: start.settled + length,
    settledBlocks: blocks.length === 0 ? start.settledBlocks : start.settledBlocks.concat(blocks),
    tail: lex(open ? mend(tail) : tail),
  };
}

/** All blocks of the whole lines but the last, which the next line may still change. The last,
 * unfinished line proves nothing: after a list, "2" is a paragraph until it becomes "2. two". */
function settledOf(text: string): Token[] {
  const blocks = lex(text.slice(0, text.lastIndexOf("\n") + 1));
  return blocks.slice(
    0,
    Math.max(
      0,
      blocks.findLastIndex(({ type }) => type !== "space"),
    ),
  );
}
