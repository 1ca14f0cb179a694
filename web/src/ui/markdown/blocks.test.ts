import { expect, it } from "vitest";
import { advance, type Blocks, NO_BLOCKS } from "./blocks";
import { lex } from "./grammar";

const TEXT = `# Title

A paragraph with **bold**, \`code\` and $x^2$.

1. one

2. two
   - inner

\`\`\`python
def f():

    return 1
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

$$
\\int_0^1 x
$$

The end.`;

const typesOf = (blocks: Blocks): string[] =>
  [...blocks.settledBlocks, ...blocks.tail]
    .map(({ type }) => type)
    .filter((type) => type !== "space");

function grown(text: string, step: number): Blocks {
  let blocks = NO_BLOCKS;
  for (let end = step; end < text.length; end += step) {
    blocks = advance(blocks, text.slice(0, end), true);
  }
  return advance(blocks, text, false);
}

it("a text that grew in pieces has the blocks of the whole", () => {
  const whole = lex(TEXT).filter(({ type }) => type !== "space");
  for (const step of [1, 2, 7, 50]) {
    expect(typesOf(grown(TEXT, step))).toEqual(whole.map(({ type }) => type));
  }
});

it("settled blocks stay the very same, so that they are drawn once", () => {
  const before = advance(NO_BLOCKS, "One.\n\nTwo.\n\nThr", true);
  const later = advance(before, "One.\n\nTwo.\n\nThree.\n\nFour", true);
  expect(before.settledBlocks.length).toBeGreaterThan(0);
  expect(later.settledBlocks.slice(0, before.settledBlocks.length)).toEqual(before.settledBlocks);
  expect(later.settledBlocks[0]).toBe(before.settledBlocks[0]);
});

it("another text starts anew", () => {
  const before = advance(NO_BLOCKS, "One.\n\nTwo.\n\nThree", true);
  const other = advance(before, "Other.\n\nText", false);
  expect([...other.settledBlocks, ...other.tail].map(({ raw }) => raw).join("")).toBe(
    "Other.\n\nText",
  );
});

it("line ends of other systems are line ends", () => {
  expect(typesOf(advance(NO_BLOCKS, "# A\r\n\r\nB", false))).toEqual(["heading", "paragraph"]);
});

it.each(["_a", "a**b", "[", "$x ", "$", "\\(", "`a ``b ", "- a\n", "> ", "~~a ", "*_`[<", "a@"])(
  "%j over and over does not take the square of its length",
  (part) => {
    expect(lex(part.repeat(100_000 / part.length)).length).toBeGreaterThan(0);
  },
  4_000, // linear: 0.7 s at most; the square: 10 s and more
);
