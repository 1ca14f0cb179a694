import { useRef, useState } from "react";
import type { Token } from "@/api/schema";
import { Button } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { Spinner } from "@/ui/Spinner";
import { useRevocation, useTokens } from "./queries";

export function TokenList() {
  const { data, isPending, isError, refetch } = useTokens();
  const revocation = useRevocation();
  const [doomed, setDoomed] = useState<Token | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);

  function revoke(token: Token): void {
    // Its row goes, and the button that had the focus with it.
    revocation.mutate(token.id, { onSuccess: () => heading.current?.focus() });
  }

  return (
    <section className="mt-8">
      <h2 ref={heading} tabIndex={-1} className="font-semibold outline-none">
        Tokens in use
      </h2>
      {isPending && <Spinner label="Loading…" />}
      {isError && !data && (
        <div className="mt-2 text-sm">
          <p className="mb-2 text-muted">The tokens could not be loaded.</p>
          <Button onClick={() => void refetch()}>Try again</Button>
        </div>
      )}
      {data?.length === 0 && (
        <p className="mt-2 text-muted text-sm">None: no program can use your account.</p>
      )}
      {data && data.length > 0 && (
        <ul className="mt-2 divide-y divide-line">
          {data.map((token) => (
            <Row key={token.id} token={token} onRevoke={() => setDoomed(token)} />
          ))}
        </ul>
      )}
      {doomed && (
        <Confirm
          open
          onClose={() => setDoomed(null)}
          onConfirm={() => revoke(doomed)}
          title={`Revoke “${doomed.name}”?`}
          description="Programs that use it are turned away from now on. This cannot be undone."
          action="Revoke"
        />
      )}
    </section>
  );
}

type RowProps = { readonly token: Token; readonly onRevoke: () => void };

function Row({ token, onRevoke }: RowProps) {
  return (
    <li className="flex items-center justify-between gap-4 py-3">
      <div className="min-w-0">
        <p className="break-words font-medium">{token.name}</p>
        <p className="text-muted text-xs">
          Created <Time at={token.created_at} /> ·{" "}
          {token.last_used_at === null ? (
            "never used"
          ) : (
            <>
              last used <Time at={token.last_used_at} />
            </>
          )}
        </p>
      </div>
      <Button
        aria-label={`Revoke ${token.name}`}
        onClick={onRevoke}
        className="shrink-0 pointer-coarse:h-11"
      >
        Revoke
      </Button>
    </li>
  );
}

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function Time({ at }: { readonly at: string }) {
  return <time dateTime={at}>{MOMENT.format(new Date(at))}</time>;
}
