import { navigate } from "@/runtime/route";
import { Button } from "@/ui/Button";

export function NotFound({ what }: { readonly what: string }) {
  return (
    <div className="flex flex-1 flex-col items-center justify-center gap-4 p-6 text-center">
      <h1 className="font-display text-2xl">{what}</h1>
      <p className="text-muted">It may have been deleted, or the address is mistyped.</p>
      <Button look="primary" onClick={() => navigate("/")}>
        New conversation
      </Button>
    </div>
  );
}
