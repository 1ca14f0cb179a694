import type { Token, Tokens } from "marked";
import { describe, expect, it } from "vitest";
import { resolveEntities } from "./entities";
import { lex, type MathToken } from "./grammar";
import { safeAddress } from "./links";
import { mend } from "./mend";
import { headingLevels } from "./outline";

function formulasOf(text: string): string[] {
  const found: string[] = [];
  const visit = (tokens: readonly Token[]): void => {
    for (const token of tokens as (Tokens.Generic | MathToken)[]) {
      if (token.type === "math") found.push(`${token.display ? "display" : "inline"} ${token.tex}`);
      else if ("tokens" in token && token.tokens) visit(token.tokens);
    }
  };
  visit(lex(text));
  return found;
}

describe("formulas", () => {
  it.each([
    ["so $x^2$ is", ["inline x^2"]],
    ["so \\(a+b\\) is", ["inline a+b"]],
    ["$$\nx\n$$", ["display x"]],
    ["\\[\nx\n\\]\n\nafter", ["display x"]],
    ["in $$x$$ line", ["display x"]],
    ["it costs $5 and $10", []],
    ["from $5 to 6$7", []],
    ["`$x$`", []],
    ["```\n$$x$$\n```", []],
  ])("%s", (text, formulas) => {
    expect(formulasOf(text)).toEqual(formulas);
  });
});

it("headings are levelled without gaps", () => {
  const levels = headingLevels(lex("### a\n\ntext\n\n##### b\n\n### c\n\n# d\n\n###### e"));
  expect(levels.filter((level) => level !== undefined)).toEqual([3, 4, 3, 3, 4]);
});

describe("what is not yet closed is closed", () => {
  it.each([
    ["some **bo", "some **bo**"],
    ["some `co", "some `co`"],
    ["some *it", "some *it*"],
    ["see [the docs](https://exa", "see the docs"],
    ["a new **", "a new "],
    ["* item one\n* item **b", "* item one\n* item **b**"],
    ["```py\nx = **", "```py\nx = **"],
    ["all **done** here", "all **done** here"],
    ["2 * 3 is", "2 * 3 is"],
  ])("%s", (text, mended) => {
    expect(mend(text)).toBe(mended);
  });
});

it("only addresses of the web and of mail are linked", () => {
  expect(safeAddress("https://example.org/a")).toBe("https://example.org/a");
  expect(safeAddress("mailto:a@example.org")).toBe("mailto:a@example.org");
  for (const address of [
    "javascript:alert(1)",
    "data:text/html,x",
    "/api/session",
    "file:///x",
    "",
  ]) {
    expect(safeAddress(address)).toBeNull();
  }
});

it("character references become characters", () => {
  expect(resolveEntities("a &lt; b &amp;&#33;&#x21; &unknown; &#0;")).toBe(
    "a < b &!! &unknown; &#0;",
  );
});
