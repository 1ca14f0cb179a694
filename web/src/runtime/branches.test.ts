import { expect, it } from "vitest";
import { branchOf, newestLeafBelow, siblingsOf } from "./branches";
import { message } from "./samples";

/** a ─ b ─ c ─ d   and   b' (another answer to a)   and   a' (another first message). */
const tree = Object.fromEntries(
  [
    message({ id: "a", seq: 1 }),
    message({ id: "b", seq: 2, parent_id: "a" }),
    message({ id: "c", seq: 3, parent_id: "b" }),
    message({ id: "d", seq: 4, parent_id: "c" }),
    message({ id: "b2", seq: 5, parent_id: "a" }),
    message({ id: "a2", seq: 6 }),
  ].map((one) => [one.id, one]),
);
const idsOf = (messages: readonly { id: string }[]): string[] => messages.map(({ id }) => id);
const at = (id: string) => tree[id] ?? message({ id });

it("a branch runs from the root to its leaf", () => {
  expect(idsOf(branchOf(tree, "d"))).toEqual(["a", "b", "c", "d"]);
  expect(idsOf(branchOf(tree, "b2"))).toEqual(["a", "b2"]);
});

it("an unknown leaf stands for the newest", () => {
  expect(idsOf(branchOf(tree, null))).toEqual(["a2"]);
  expect(branchOf({}, "x")).toEqual([]);
});

it("a branch begins where its earlier messages are not at hand", () => {
  const { a: _, ...later } = tree;
  expect(idsOf(branchOf(later, "d"))).toEqual(["b", "c", "d"]);
});

it("siblings are the versions of a message in the order of their making", () => {
  expect(idsOf(siblingsOf(tree, at("b2"), false))).toEqual(["b", "b2"]);
  expect(idsOf(siblingsOf(tree, at("a"), false))).toEqual(["a", "a2"]);
});

it("versions are not counted while some may not be at hand", () => {
  const { a: _, ...later } = tree;
  expect(idsOf(siblingsOf(later, at("b"), true))).toEqual(["b"]);
  expect(idsOf(siblingsOf(tree, at("a"), true))).toEqual(["a"]);
});

it("a version is shown with the newest that was said below it", () => {
  expect(newestLeafBelow(tree, "b")).toBe("d");
  expect(newestLeafBelow(tree, "a")).toBe("b2");
  expect(newestLeafBelow(tree, "d")).toBe("d");
});
