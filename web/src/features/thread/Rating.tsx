import { ThumbsDown, ThumbsUp } from "lucide-react";
import { useState } from "react";
import type { Feedback, Message } from "@/api/schema";
import { useRuntime } from "@/runtime/hooks";
import { Confirm } from "@/ui/Confirm";
import { IconButton } from "@/ui/IconButton";

/** Two thumbs; the one that is pressed takes the rating back. */
export function Rating({ message }: { readonly message: Message }) {
  const { rate } = useRuntime();
  const [asking, setAsking] = useState(false);
  const { feedback } = message;
  const comment = feedback?.comment ?? "";

  function press(rating: Feedback["rating"]): void {
    if (feedback?.rating !== rating) void rate(message, { rating, comment });
    else if (comment === "") void rate(message, null);
    else setAsking(true);
  }

  return (
    <>
      <IconButton
        label="Good answer"
        aria-pressed={feedback?.rating === "up"}
        onClick={() => press("up")}
      >
        <ThumbsUp />
      </IconButton>
      <IconButton
        label="Bad answer"
        aria-pressed={feedback?.rating === "down"}
        onClick={() => press("down")}
      >
        <ThumbsDown />
      </IconButton>
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        onConfirm={() => void rate(message, null)}
        title="Withdraw your rating?"
        description="Your comment is deleted with it."
        action="Withdraw"
      />
    </>
  );
}
