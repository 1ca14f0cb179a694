import { ChevronDown, Download } from "lucide-react";
import { useRef, useState } from "react";
import { Dialog } from "@/ui/Dialog";
import { Menu, MenuChoice, MenuItem, MenuLine, MenuOption } from "@/ui/Menu";
import { Catalogue } from "./Catalogue";
import { isComing, useCatalogue, useModels } from "./queries";
import { percentOf } from "./sizes";

type Props = {
  /** null: whatever is the default. */
  readonly model: string | null;
  readonly onChange: (model: string) => void;
};

/** Shows which model answers, and lets one choose another. */
export function ModelPicker({ model, onChange }: Props) {
  const models = useModels().data;
  const coming = useCatalogue().data?.find(isComing);
  const [browsing, setBrowsing] = useState(false);
  const trigger = useRef<HTMLButtonElement>(null);
  const current = model ?? models?.default ?? null;

  return (
    <>
      <Menu
        align="start"
        trigger={
          <button
            ref={trigger}
            type="button"
            className="inline-flex h-8 min-w-0 items-center gap-1.5 rounded-lg px-2.5 text-muted text-sm hover:bg-hover hover:text-ink pointer-coarse:h-10"
          >
            <span className="truncate">
              <span className="sr-only">Model: </span>
              {current ?? (models ? "none" : "…")}
            </span>
            {coming && (
              <span className="shrink-0 text-accent text-xs tabular-nums">
                ↓ {percentOf(coming.done_bytes, coming.size_bytes)} %
              </span>
            )}
            <ChevronDown aria-hidden className="size-3.5 shrink-0" />
          </button>
        }
      >
        <MenuChoice label="Model" value={current ?? ""} onChange={onChange}>
          {models?.items.map((one) => (
            <MenuOption key={one.id} value={one.id} disabled={!one.ready}>
              <span className="block truncate">{one.id}</span>
              {one.note && <span className="block text-muted text-xs">{one.note}</span>}
            </MenuOption>
          ))}
        </MenuChoice>
        <MenuLine />
        <MenuItem onSelect={() => setBrowsing(true)}>
          <Download /> Get more models…
        </MenuItem>
      </Menu>
      <Dialog
        open={browsing}
        onClose={() => setBrowsing(false)}
        focusAfter={trigger}
        title="Models"
        description="They run on this machine: nothing you write leaves it."
        wide
      >
        <Catalogue />
      </Dialog>
    </>
  );
}
