import { PanelLeft, SquarePen } from "lucide-react";
import { ConversationList } from "@/features/conversations/ConversationList";
import { AccountMenu } from "@/features/session/AccountMenu";
import { IconButton } from "@/ui/IconButton";
import { Link } from "@/ui/Link";
import { Wordmark } from "@/ui/Wordmark";

type Props = {
  readonly onNavigate: (path: string) => void;
  readonly onShortcuts: () => void;
  readonly onHide: () => void;
};

export function Sidebar({ onNavigate, onShortcuts, onHide }: Props) {
  return (
    <nav aria-label="Conversations" className="flex h-full flex-col bg-panel">
      <div className="flex items-center justify-between p-3 pl-4">
        <Link href="/" onNavigate={onNavigate} aria-label="Tertulia, start" className="flex">
          <Wordmark />
        </Link>
        <IconButton label="Hide the list" onClick={onHide}>
          <PanelLeft />
        </IconButton>
      </div>
      <div className="px-3 pb-3">
        <Link
          href="/"
          onNavigate={onNavigate}
          className="flex h-9 items-center gap-2.5 rounded-lg border border-line bg-raised px-2.5 font-medium text-sm hover:bg-hover pointer-coarse:h-11"
        >
          <SquarePen aria-hidden className="size-4 text-accent" /> New conversation
        </Link>
      </div>
      <div data-scrolls className="min-h-0 flex-1 overflow-y-auto px-3">
        <ConversationList archived={false} onNavigate={onNavigate} />
      </div>
      <div className="border-line border-t p-2">
        <AccountMenu onShortcuts={onShortcuts} onNavigate={onNavigate} />
      </div>
    </nav>
  );
}
