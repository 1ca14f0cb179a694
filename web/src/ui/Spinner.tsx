import { LoaderCircle } from "lucide-react";

export function Spinner({ label }: { readonly label: string }) {
  return (
    <span role="status" className="inline-flex items-center gap-2 text-muted text-sm">
      <LoaderCircle aria-hidden className="size-4 motion-safe:animate-spin" />
      {label}
    </span>
  );
}
