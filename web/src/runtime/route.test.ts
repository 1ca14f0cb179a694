import { expect, it } from "vitest";
import { conversationPath, parseRoute } from "./route";

it("every address is a page or unknown", () => {
  expect(parseRoute("/")).toEqual({ page: "new" });
  expect(parseRoute("/archive/")).toEqual({ page: "archive" });
  expect(parseRoute("/tokens")).toEqual({ page: "tokens" });
  expect(parseRoute("/tokens/one")).toEqual({ page: "unknown" });
  expect(parseRoute("/c/")).toEqual({ page: "unknown" });
  expect(parseRoute("/c/a/b")).toEqual({ page: "unknown" });
  expect(parseRoute("/c/%zz")).toEqual({ page: "unknown" });
  expect(parseRoute("/elsewhere")).toEqual({ page: "unknown" });
});

it("a conversation's address leads to it", () => {
  expect(parseRoute(conversationPath("a/ü"))).toEqual({ page: "conversation", id: "a/ü" });
});
