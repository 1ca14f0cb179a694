import { useState } from "react";
import type { Message } from "@/api/schema";
import { Button } from "@/ui/Button";
import { CopyButton } from "@/ui/CopyButton";
import { classes } from "@/ui/classes";
import { AnswerAgain } from "./AnswerAgain";
import { BranchSwitch } from "./BranchSwitch";
import { Comment } from "./Comment";
import { Rating } from "./Rating";

type Props = {
  readonly message: Message;
  readonly last: boolean;
  /** Who could answer again. */
  readonly models: readonly string[];
};

/** What can be done with an answer. */
export function ReplyActions({ message, last, models }: Props) {
  const [commenting, setCommenting] = useState(false);
  const { feedback } = message;

  return (
    <>
      <div
        className={classes(
          "-ml-1.5 mt-1.5 flex flex-wrap items-center transition-opacity pointer-coarse:opacity-100",
          !last && !feedback && "opacity-0 group-focus-within:opacity-100 group-hover:opacity-100",
        )}
      >
        <BranchSwitch message={message} />
        {message.text && <CopyButton text={message.text} label="Copy answer" />}
        <Rating message={message} />
        <AnswerAgain message={message} models={models} />
        <span className="ml-2 text-muted text-xs">{describe(message)}</span>
        {feedback?.comment === "" && !commenting && (
          <Button
            look="quiet"
            className="ml-1 h-8 px-2 text-muted text-xs hover:text-ink pointer-coarse:h-10"
            onClick={() => setCommenting(true)}
          >
            Add a comment
          </Button>
        )}
      </div>
      {feedback && (
        <Comment
          message={message}
          feedback={feedback}
          editing={commenting}
          onEdit={setCommenting}
        />
      )}
    </>
  );
}

function describe({ model, usage }: Message): string {
  const tokens = usage ? `${usage.completion_tokens} tokens` : null;
  return [model, tokens].filter(Boolean).join(" · ");
}
