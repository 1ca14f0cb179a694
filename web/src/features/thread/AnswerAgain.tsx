import { ChevronDown, RefreshCw } from "lucide-react";
import type { Message } from "@/api/schema";
import { useRuntime } from "@/runtime/hooks";
import { IconButton } from "@/ui/IconButton";
import { Menu, MenuItem, MenuTitle } from "@/ui/Menu";

type Props = {
  readonly message: Message;
  /** Who could answer. */
  readonly models: readonly string[];
};

/** Asks for another version: of the conversation's model, or, where there are several, of one
 * that did not write this one. */
export function AnswerAgain({ message, models }: Props) {
  const { regenerate } = useRuntime();
  const others = models.filter((one) => one !== message.model);
  return (
    <span className="inline-flex">
      <IconButton label="Answer again" onClick={() => void regenerate(message, null)}>
        <RefreshCw />
      </IconButton>
      {models.length > 1 && others.length > 0 && (
        <Menu
          align="start"
          trigger={
            <IconButton label="Answer again with another model" className="-ml-1 w-5">
              <ChevronDown />
            </IconButton>
          }
        >
          <MenuTitle>Answer again with</MenuTitle>
          {others.map((one) => (
            <MenuItem key={one} onSelect={() => void regenerate(message, one)}>
              <span className="truncate">{one}</span>
            </MenuItem>
          ))}
        </Menu>
      )}
    </span>
  );
}
