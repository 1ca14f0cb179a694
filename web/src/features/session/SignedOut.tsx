import type { SessionState } from "@/runtime/state";
import { CopyButton } from "@/ui/CopyButton";
import { Wordmark } from "@/ui/Wordmark";

type Props = { readonly reason: Extract<SessionState, { phase: "signed_out" }>["reason"] };

const COMMAND = "tertulia link";

const HEADINGS = {
  none: "Sign in with a link",
  link_invalid: "This link no longer works",
  ended: "You have been signed out",
} as const;

const REASONS = {
  none: "Tertulia has no passwords here: the machine it runs on gives you a link.",
  link_invalid: "Each sign-in link works once and for a limited time. Get a new one:",
  ended: "Your session has ended. What you had typed is kept in this browser. Get a new link:",
} as const;

/** What a visitor sees who is not signed in. */
export function SignedOut({ reason }: Props) {
  return (
    <main className="flex min-h-full items-center justify-center p-6">
      <div className="w-full max-w-md">
        <Wordmark />
        <h1 className="mt-8 font-display text-3xl">{HEADINGS[reason]}</h1>
        <p className="mt-3 text-muted">{REASONS[reason]}</p>
        <ol className="mt-5 list-decimal space-y-3 pl-5 marker:text-muted">
          <li>
            On the machine where Tertulia runs, ask for one:
            <div className="mt-2 flex items-center justify-between rounded-lg border border-line bg-code py-1 pr-1 pl-3">
              <code className="font-mono text-sm">{COMMAND}</code>
              <CopyButton text={COMMAND} label="Copy the command" />
            </div>
          </li>
          <li>Open the link that it prints. You will be signed in at once.</li>
        </ol>
      </div>
    </main>
  );
}
