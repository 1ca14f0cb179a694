import { expect, it } from "vitest";
import { backoffMs } from "./backoff";

it("waits grow to a bound and are spread", () => {
  const longest = [1, 2, 3, 20].map((failures) => backoffMs(failures, () => 1));
  expect(longest).toEqual([400, 800, 1_600, 15_000]);
  expect(backoffMs(20, () => 0)).toBe(7_500);
});
