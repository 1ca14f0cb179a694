import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRuntime } from "@/runtime/hooks";
import { sentenceFor } from "@/runtime/problems";

const KEY = ["tokens"];

/** The account's tokens, without their secrets; asked anew each time the page is opened. */
export function useTokens() {
  const { calls } = useRuntime();
  return useQuery({ queryKey: KEY, queryFn: calls.tokens, staleTime: 0 });
}

export function useRevocation() {
  const { calls, notify } = useRuntime();
  const refresh = useTokensRefresh();
  return useMutation({
    mutationFn: calls.revokeToken,
    onSettled: refresh,
    onError: (error) => notify(`The token was not revoked. ${sentenceFor(error)}`),
  });
}

export function useTokensRefresh() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: KEY });
}
