import { useRuntime } from "@/runtime/hooks";
import { Button } from "@/ui/Button";
import { Wordmark } from "@/ui/Wordmark";

/** The page is here but its server is not, or will not answer now. */
export function Unreachable({ problem }: { readonly problem: string }) {
  const { trySignInAgain } = useRuntime();
  return (
    <main className="flex min-h-full items-center justify-center p-6">
      <div className="w-full max-w-md">
        <Wordmark />
        <h1 className="mt-8 font-display text-3xl">Tertulia does not answer</h1>
        <p className="mt-3 mb-6 text-muted">{problem} Nothing you wrote is lost.</p>
        <Button look="primary" onClick={() => void trySignInAgain()}>
          Try again
        </Button>
      </div>
    </main>
  );
}
