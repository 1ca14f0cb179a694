import type { Token } from "marked";

/** The first level that is free below the page's own headings. */
const FIRST = 3;

/** The level of each block that is a heading, undefined for the others. Levels follow one another
 * without gaps, whichever the writer chose, so that they can be walked through by ear. */
export function headingLevels(blocks: readonly Token[]): (number | undefined)[] {
  const above: number[] = [];
  return blocks.map((block) => {
    if (block.type !== "heading") return undefined;
    const depth: number = block.depth;
    while ((above.at(-1) ?? 0) >= depth) above.pop();
    above.push(depth);
    return FIRST + above.length - 1;
  });
}
