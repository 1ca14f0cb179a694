import { useRuntime } from "@/runtime/hooks";
import { Button } from "@/ui/Button";
import { Wordmark } from "@/ui/Wordmark";

/** The page is here but its server is not. */
export function Unreachable() {
  const { signIn } = useRuntime();
  return (
    <main className="flex min-h-full items-center justify-center p-6">
      <div className="w-full max-w-md">
        <Wordmark />
        <h1 className="mt-8 font-display text-3xl">Tertulia cannot be reached</h1>
        <p className="mt-3 mb-6 text-muted">
          It may have been stopped, or the network is down. Nothing you wrote is lost.
        </p>
        <Button look="primary" onClick={() => void signIn(null)}>
          Try again
        </Button>
      </div>
    </main>
  );
}
