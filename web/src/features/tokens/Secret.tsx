import { useEffect, useRef } from "react";
import type { NewToken } from "@/api/schema";
import { Button } from "@/ui/Button";
import { CopyButton } from "@/ui/CopyButton";

type Props = { readonly token: NewToken; readonly onDone: () => void };

/** The one time that a token can be read. */
export function Secret({ token, onDone }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);

  return (
    <section aria-labelledby="secret" className="rounded-xl border border-accent bg-panel p-4">
      <h2 id="secret" ref={heading} tabIndex={-1} className="font-semibold outline-none">
        Your new token: {token.name}
      </h2>
      <p className="mt-1 text-sm">
        Copy it now and keep it as you would a password. It is not shown again.
      </p>
      <div className="mt-3 flex items-center gap-2 rounded-lg border border-line bg-raised py-1 pr-1 pl-3">
        <code className="min-w-0 flex-1 select-all break-all text-sm">{token.token}</code>
        <CopyButton text={token.token} label="Copy token" />
      </div>
      <div className="mt-4 flex justify-end">
        <Button onClick={onDone}>Done</Button>
      </div>
    </section>
  );
}
