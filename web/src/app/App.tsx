import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { SignedOut } from "@/features/session/SignedOut";
import { Unreachable } from "@/features/session/Unreachable";
import { RuntimeContext, useSelect } from "@/runtime/hooks";
import type { Runtime } from "@/runtime/runtime";
import { Spinner } from "@/ui/Spinner";
import { Shell } from "./Shell";

const queries = new QueryClient({ defaultOptions: { queries: { staleTime: 5_000, retry: 1 } } });

export function App({ runtime }: { readonly runtime: Runtime }) {
  return (
    <RuntimeContext value={runtime}>
      <QueryClientProvider client={queries}>
        <Page />
      </QueryClientProvider>
    </RuntimeContext>
  );
}

function Page() {
  const session = useSelect((state) => state.session);
  switch (session.phase) {
    case "signed_in":
      return <Shell />;
    case "signed_out":
      return <SignedOut reason={session.reason} />;
    case "unreachable":
      return <Unreachable problem={session.problem} />;
    case "unknown":
      return (
        <main className="flex h-full items-center justify-center">
          <h1 className="sr-only">Tertulia</h1>
          <Spinner label="Opening Tertulia…" />
        </main>
      );
  }
}
