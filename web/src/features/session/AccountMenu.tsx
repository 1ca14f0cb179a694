import { Archive, ChevronsUpDown, Keyboard, KeyRound, LogOut } from "lucide-react";
import { useRuntime, useSelect } from "@/runtime/hooks";
import { Menu, MenuChoice, MenuItem, MenuLine, MenuOption } from "@/ui/Menu";
import { setTheme, type Theme, useTheme } from "@/ui/theme";

type Props = { readonly onShortcuts: () => void; readonly onNavigate: (path: string) => void };

export function AccountMenu({ onShortcuts, onNavigate }: Props) {
  const { signOut } = useRuntime();
  const theme = useTheme();
  const name = useSelect(({ session }) =>
    session.phase === "signed_in" ? session.session.user.name : "",
  );

  return (
    <Menu
      align="start"
      trigger={
        <button
          type="button"
          className="flex w-full items-center gap-2.5 rounded-lg p-2 text-left text-sm hover:bg-hover"
        >
          <span
            aria-hidden
            className="flex size-7 items-center justify-center rounded-full bg-accent font-semibold text-on-accent text-xs uppercase"
          >
            {name.slice(0, 1) || "?"}
          </span>
          <span className="min-w-0 flex-1 truncate">{name || "You"}</span>
          <ChevronsUpDown aria-hidden className="size-4 text-muted" />
        </button>
      }
    >
      <MenuChoice label="Theme" value={theme} onChange={(value) => setTheme(value as Theme)}>
        <MenuOption value="light">Light</MenuOption>
        <MenuOption value="dark">Dark</MenuOption>
        <MenuOption value="system">System</MenuOption>
      </MenuChoice>
      <MenuLine />
      <MenuItem onSelect={() => onNavigate("/archive")}>
        <Archive /> Archived conversations
      </MenuItem>
      <MenuItem onSelect={() => onNavigate("/tokens")}>
        <KeyRound /> API tokens
      </MenuItem>
      <MenuItem onSelect={onShortcuts}>
        <Keyboard /> Keyboard shortcuts
      </MenuItem>
      <MenuLine />
      <MenuItem onSelect={() => void signOut()}>
        <LogOut /> Sign out
      </MenuItem>
    </Menu>
  );
}
