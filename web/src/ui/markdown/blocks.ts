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
  const blocks = lex(rest);
  const last = blocks.findLastIndex((block) => block.type !== "space");
  const settledNow = blocks.slice(0, Math.max(0, last));
  const length = settledNow.reduce((sum, block) => sum + block.raw.length, 0);
  const tail = rest.slice(length);
  return {
    text,
    settled: start.settled + length,
    settledBlocks:
      settledNow.length === 0 ? start.settledBlocks : start.settledBlocks.concat(settledNow),
    tail: open ? lex(mend(tail)) : blocks.slice(Math.max(0, last)),
  };
}
