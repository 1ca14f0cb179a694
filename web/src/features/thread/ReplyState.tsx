import { CircleStop, PlugZap, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import type { Message } from "@/api/schema";
import { useRuntime } from "@/runtime/hooks";
import { replySentence } from "@/runtime/problems";
import { Button } from "@/ui/Button";

type Props = { readonly message: Message; readonly last: boolean };

/** How an answer ended when it did not simply come to its end. */
export function ReplyState({ message, last }: Props) {
  switch (message.status) {
    case "interrupted":
      return (
        <Notice
          icon={<PlugZap />}
          text="The answer was cut off before its end."
          {...{ message, last }}
        />
      );
    case "cancelled":
      return (
        <Notice icon={<CircleStop />} text="You stopped this answer." {...{ message, last }} />
      );
    case "failed":
      return (
        <Notice
          icon={<TriangleAlert className="text-danger" />}
          text={replySentence(message.error_code)}
          {...{ message, last }}
        />
      );
    default:
      return message.text === "" ? <p className="text-muted italic">The answer is empty.</p> : null;
  }
}

type NoticeProps = Props & { readonly icon: ReactNode; readonly text: string };

function Notice({ icon, text, message, last }: NoticeProps) {
  const { continueReply, regenerate } = useRuntime();
  const begun = (message.text ?? "") !== "";
  return (
    <div className="mt-3 flex flex-wrap items-center gap-x-4 gap-y-2 rounded-xl border border-line bg-panel px-4 py-2.5 text-sm">
      <p className="flex flex-1 items-center gap-2.5 [&_svg]:size-4 [&_svg]:shrink-0">
        {icon} {text}
      </p>
      {last && (
        <div className="flex gap-2">
          {begun && <Button onClick={() => void continueReply(message)}>Continue</Button>}
          {!begun && <Button onClick={() => void regenerate(message, null)}>Try again</Button>}
        </div>
      )}
    </div>
  );
}
