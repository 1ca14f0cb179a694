import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark" | "system";

const KEY = "tertulia.theme"; // public/theme.js reads it before the first paint
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let theme = stored();

export function useTheme(): Theme {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => theme,
  );
}

export function setTheme(next: Theme): void {
  theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Then it holds until the page is closed.
  }
  apply();
}

/** Follow the system's choice, and the choice made in another tab. */
export function watchTheme(): void {
  system.addEventListener("change", apply);
  addEventListener("storage", (event) => {
    if (event.key !== KEY) return;
    theme = stored();
    apply();
  });
}

function apply(): void {
  const dark = theme === "dark" || (theme === "system" && system.matches);
  document.documentElement.classList.toggle("dark", dark);
  for (const listener of listeners) listener();
}

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}
