import { Dialog } from "@/ui/Dialog";

const KEYS: readonly (readonly [string, string])[] = [
  ["Enter", "Send the message (on a touch screen: Ctrl Enter)"],
  ["Shift Enter", "New line"],
  ["Esc", "Stop the answer"],
  ["↑", "Edit your last message (when the input is empty)"],
  ["/", "Go to the input"],
  ["Ctrl Shift O", "New conversation"],
  ["Ctrl B", "Show or hide the list"],
  ["?", "These shortcuts"],
];

type Props = { readonly open: boolean; readonly onClose: () => void };

export function Shortcuts({ open, onClose }: Props) {
  return (
    <Dialog open={open} onClose={onClose} title="Keyboard shortcuts">
      <dl className="mt-4 divide-y divide-line text-sm">
        {KEYS.map(([keys, what]) => (
          <div key={keys} className="flex items-center justify-between gap-6 py-2">
            <dt className="order-2 flex shrink-0 gap-1">
              {keys.split(" ").map((key) => (
                <kbd
                  key={key}
                  className="rounded-md border border-line bg-panel px-1.5 py-0.5 font-sans text-xs"
                >
                  {key}
                </kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
