import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { CatalogueEntry, Models } from "@/api/schema";
import type { Calls } from "@/runtime/calls";
import { useRuntime } from "@/runtime/hooks";

const PULLING_MS = 1_000;
const WAITING_MS = 3_000;

/** The models on offer; asked again while none is ready, for one may be on its way. */
export function useModels() {
  const { calls } = useRuntime();
  return useQuery({
    ...modelsOf(calls),
    refetchInterval: ({ state }) => (hasReady(state.data) ? false : WAITING_MS),
  });
}

/** The models that can be had; asked again and again while one is being fetched. */
export function useCatalogue() {
  const { calls } = useRuntime();
  const client = useQueryClient();
  return useQuery({
    queryKey: ["catalogue"],
    queryFn: async () => {
      const before = client.getQueryData<readonly CatalogueEntry[]>(["catalogue"]);
      const items = await calls.catalogue();
      if (before?.some(isComing) && !items.some(isComing)) {
        void client.invalidateQueries({ queryKey: ["models"] });
      }
      return items;
    },
    refetchInterval: ({ state }) => (state.data?.some(isComing) ? PULLING_MS : false),
  });
}

export function useCatalogueActions() {
  const { calls, notify } = useRuntime();
  const client = useQueryClient();
  const settled = {
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ["catalogue"] });
      void client.invalidateQueries({ queryKey: ["models"] });
    },
    onError: (error: Error) => notify(error.message),
  };
  return {
    pull: useMutation({ mutationFn: calls.pullModel, ...settled }),
    use: useMutation({ mutationFn: calls.useModel, ...settled }),
  };
}

export function isComing({ state }: CatalogueEntry): boolean {
  return state === "pulling" || state === "verifying";
}

export function hasReady(models: Models | undefined): boolean {
  return models?.items.some((model) => model.ready) ?? false;
}

export function readyNames(models: Models | undefined): string[] {
  return models?.items.filter((model) => model.ready).map((model) => model.id) ?? [];
}

function modelsOf(calls: Calls) {
  return queryOptions({ queryKey: ["models"], queryFn: calls.models });
}
