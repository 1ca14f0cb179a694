import { type FormEvent, type Ref, useState } from "react";
import type { NewToken } from "@/api/schema";
import { useRuntime } from "@/runtime/hooks";
import { sentenceFor } from "@/runtime/problems";
import { Button } from "@/ui/Button";
import { useTokensRefresh } from "./queries";

type Props = {
  readonly ref: Ref<HTMLInputElement>;
  readonly onMade: (token: NewToken) => void;
};

export function NewTokenForm({ ref, onMade }: Props) {
  const { calls, notify } = useRuntime();
  const refresh = useTokensRefresh();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const given = name.trim();

  async function create(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (given === "" || busy) return;
    setBusy(true);
    try {
      onMade(await calls.createToken(given));
    } catch (error) {
      notify(`No token was shown to you. ${sentenceFor(error)}`);
    } finally {
      setBusy(false);
      void refresh(); // also after a failure: the answer may have been lost, not the request
    }
  }

  return (
    <form onSubmit={(event) => void create(event)}>
      <label className="block text-muted text-sm" htmlFor="token-name">
        What is it for?
      </label>
      <div className="mt-1 flex gap-2">
        <input
          ref={ref}
          id="token-name"
          value={name}
          maxLength={100}
          autoComplete="off"
          placeholder="The editor on my laptop"
          onChange={(event) => setName(event.target.value)}
          className="h-9 min-w-0 flex-1 rounded-lg border border-line bg-raised px-3 text-sm placeholder:text-muted pointer-coarse:h-11 pointer-coarse:text-base"
        />
        <Button
          look="primary"
          type="submit"
          disabled={given === "" || busy}
          className="pointer-coarse:h-11"
        >
          Create
        </Button>
      </div>
    </form>
  );
}
