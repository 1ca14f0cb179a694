import { useEffect, useRef, useState } from "react";
import type { NewToken } from "@/api/schema";
import { NewTokenForm } from "./NewTokenForm";
import { Secret } from "./Secret";
import { TokenList } from "./TokenList";

/** What programs use Tertulia by, in the name of the person who made them. */
export function Tokens() {
  // Here alone, in no cache: leaving the page forgets it.
  const [made, setMade] = useState<NewToken | null>(null);
  const name = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = "API tokens · Tertulia";
  }, []);

  return (
    <div data-scrolls className="flex-1 overflow-y-auto">
      <div className="mx-auto max-w-2xl p-4 sm:p-8">
        <h1 className="font-display text-3xl">API tokens</h1>
        <p className="mt-3 mb-6 text-muted text-sm">
          A program that sends one of these as <code>Authorization: Bearer</code> can do all that
          you can do here. Clients of OpenAI's API find it at{" "}
          <code className="break-words">{location.origin}/v1</code>, with the token as their key.
        </p>
        {made ? (
          <Secret
            token={made}
            onDone={() => {
              setMade(null);
              // The field is back only after this is drawn.
              requestAnimationFrame(() => name.current?.focus());
            }}
          />
        ) : (
          <NewTokenForm ref={name} onMade={setMade} />
        )}
        <TokenList />
      </div>
    </div>
  );
}
