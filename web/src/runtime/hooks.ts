import { createContext, useContext, useSyncExternalStore } from "react";
import type { Runtime } from "./runtime";
import type { State } from "./state";

export const RuntimeContext = createContext<Runtime | null>(null);

export function useRuntime(): Runtime {
  const runtime = useContext(RuntimeContext);
  if (!runtime) throw new Error("There is no runtime around this component.");
  return runtime;
}

/** A part of the state; `select` must return the same value for the same state. */
export function useSelect<T>(select: (state: State) => T): T {
  const { store } = useRuntime();
  return useSyncExternalStore(store.subscribe, () => select(store.state()));
}
