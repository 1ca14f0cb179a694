import { useSyncExternalStore } from "react";

export type Route =
  | { readonly page: "new" | "archive" | "tokens" | "signin" | "unknown" }
  | { readonly page: "conversation"; readonly id: string };

/** What an address shows. */
export function parseRoute(path: string): Route {
  const [, first = "", second = "", ...rest] = path.replace(/\/$/, "").split("/");
  if (rest.length === 0 && second === "") {
    if (first === "") return { page: "new" };
    if (first === "archive" || first === "tokens" || first === "signin") return { page: first };
  }
  const id = first === "c" && rest.length === 0 ? decoded(second) : "";
  return id === "" ? { page: "unknown" } : { page: "conversation", id };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

export function conversationPath(id: string): string {
  return `/c/${encodeURIComponent(id)}`;
}

export function navigate(path: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", path);
  else if (path !== location.pathname) history.pushState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
}

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(onNavigation, () => location.pathname));
}

function onNavigation(listener: () => void): () => void {
  addEventListener("popstate", listener);
  return () => removeEventListener("popstate", listener);
}
