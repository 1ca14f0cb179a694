import { expect, it } from "vitest";
import { conversation } from "@/runtime/samples";
import { groupByTime } from "./groups";

it("conversations are grouped by the day of their last change, the pinned apart", () => {
  const now = new Date(2026, 5, 15, 12);
  const daysAgo = (days: number): string =>
    new Date(now.getTime() - days * 86_400_000).toISOString();
  const groups = groupByTime(
    [
      conversation({ id: "p", pinned: true, updated_at: daysAgo(90) }),
      conversation({ id: "a", updated_at: daysAgo(0) }),
      conversation({ id: "b", updated_at: daysAgo(1) }),
      conversation({ id: "c", updated_at: daysAgo(5) }),
      conversation({ id: "d", updated_at: daysAgo(20) }),
      conversation({ id: "e", updated_at: daysAgo(40) }),
      conversation({ id: "f", updated_at: daysAgo(50) }),
    ],
    now,
  );
  expect(groups.map(({ name, items }) => [name, items.map(({ id }) => id).join("")])).toEqual([
    ["Pinned", "p"],
    ["Today", "a"],
    ["Yesterday", "b"],
    ["Last 7 days", "c"],
    ["Last 30 days", "d"],
    ["Earlier", "ef"],
  ]);
});
