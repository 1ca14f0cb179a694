import { useState } from "react";

const LONG = 1_800;

/** What a person wrote, as it was written. A long text is folded until asked for. */
export function Bubble({ text }: { readonly text: string }) {
  const [unfolded, setUnfolded] = useState(false);
  const folded = text.length > LONG && !unfolded;
  return (
    <div className="max-w-[min(85%,38rem)] rounded-2xl rounded-br-md bg-bubble px-4 py-2.5">
      <p className="whitespace-pre-wrap [overflow-wrap:anywhere]">
        {folded ? `${text.slice(0, LONG).trimEnd()}…` : text}
      </p>
      {text.length > LONG && (
        <button
          type="button"
          aria-expanded={unfolded}
          className="mt-1 text-accent text-sm underline underline-offset-2"
          onClick={() => setUnfolded(!unfolded)}
        >
          {folded ? `Show all ${text.length.toLocaleString("en")} characters` : "Show less"}
        </button>
      )}
    </div>
  );
}
