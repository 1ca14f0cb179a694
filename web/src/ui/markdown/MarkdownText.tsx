import { useRef } from "react";
import { Block } from "./Block";
import { advance, NO_BLOCKS } from "./blocks";
import { headingLevels } from "./outline";

type Props = { readonly text: string; readonly open: boolean };

/** A text in Markdown, also while it is being written (`open`): what is settled is read once. */
export function MarkdownText({ text, open }: Props) {
  const held = useRef({ text: "", open: false, blocks: NO_BLOCKS });
  if (held.current.text !== text || held.current.open !== open) {
    held.current = { text, open, blocks: advance(held.current.blocks, text, open) };
  }
  const { settledBlocks, tail } = held.current.blocks;
  const blocks = [...settledBlocks, ...tail];
  const levels = headingLevels(blocks);
  return (
    <div className="prose">
      {blocks.map((token, index) => (
        <Block
          // biome-ignore lint/suspicious/noArrayIndexKey: blocks of a text have nothing but their place
          key={index}
          token={token}
          level={levels[index]}
          open={open && index >= settledBlocks.length}
        />
      ))}
    </div>
  );
}
