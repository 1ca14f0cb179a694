import { Check, Download } from "lucide-react";
import type { CatalogueEntry } from "@/api/schema";
import { Button } from "@/ui/Button";
import { Spinner } from "@/ui/Spinner";
import { useCatalogue, useCatalogueActions } from "./queries";
import { percentOf, sizeOf } from "./sizes";

/** The models that can be had for this machine. */
export function Catalogue() {
  const { data, isPending, isError, refetch } = useCatalogue();
  if (isPending) return <Spinner label="Loading…" />;
  if (isError) {
    return (
      <div className="mt-4 text-sm">
        <p className="mb-2 text-muted">The catalogue could not be loaded.</p>
        <Button onClick={() => void refetch()}>Try again</Button>
      </div>
    );
  }
  if (data.length === 0) {
    return <p className="mt-4 text-muted text-sm">This server has no catalogue of models.</p>;
  }
  return (
    <ul className="mt-4 divide-y divide-line">
      {data.map((entry) => (
        <Entry key={entry.name} entry={entry} />
      ))}
    </ul>
  );
}

function Entry({ entry }: { readonly entry: CatalogueEntry }) {
  return (
    <li className="flex items-center gap-x-4 py-3">
      <div className="min-w-0 flex-1">
        <p className="font-medium">{entry.name}</p>
        <p className="text-muted text-xs">
          {sizeOf(entry.size_bytes)} to download · needs {sizeOf(entry.memory_bytes)} of memory ·{" "}
          {entry.licence}
        </p>
        {entry.problem && <p className="mt-1 text-danger text-xs">{entry.problem}</p>}
        {!entry.available && (
          <p className="mt-1 text-muted text-xs">Too large for this machine's memory or disk.</p>
        )}
      </div>
      <div className="shrink-0">
        <EntryState entry={entry} />
      </div>
    </li>
  );
}

function EntryState({ entry }: { readonly entry: CatalogueEntry }) {
  const { pull, use } = useCatalogueActions();
  switch (entry.state) {
    case "in_use":
      return (
        <span className="inline-flex items-center gap-1.5 text-muted text-sm">
          <Check aria-hidden className="size-4 text-accent" /> In use
        </span>
      );
    case "present":
      return <Button onClick={() => use.mutate(entry.name)}>Use</Button>;
    case "pulling":
      return <Progress entry={entry} />;
    case "verifying":
      return <Spinner label="Checking…" />;
    default:
      return (
        <Button
          disabled={!entry.available || pull.isPending}
          aria-label={`Get ${entry.name}`}
          onClick={() => pull.mutate(entry.name)}
        >
          <Download aria-hidden className="size-4" />
          {entry.state === "failed" ? "Try again" : "Get"}
        </Button>
      );
  }
}

function Progress({ entry }: { readonly entry: CatalogueEntry }) {
  const percent = percentOf(entry.done_bytes, entry.size_bytes);
  return (
    <div className="w-28 sm:w-40">
      <progress
        aria-label={`Download of ${entry.name}`}
        className="progress"
        value={percent}
        max={100}
      />
      <p className="text-muted text-xs tabular-nums">
        {sizeOf(entry.done_bytes)} of {sizeOf(entry.size_bytes)} · {percent} %
      </p>
    </div>
  );
}
