import { useEffect, useRef, useState } from "react";
import type { Message } from "@/api/schema";
import type { Thread } from "@/runtime/state";
import { isLive, newestSeq } from "@/runtime/threads";

const SPOKEN = 600;

type Props = {
  readonly thread: Thread;
  /** The last message shown, where it is a reply. */
  readonly reply: Message | null;
};

/** Tells those who cannot see it that an answer began, and what it says once it is whole. A short
 * one may be whole before it was seen to begin. What stood there before is not told. */
export function Announcer({ thread, reply }: Props) {
  const [words, setWords] = useState("");
  const writing = useRef<string | null>(null);
  const told = useRef(newestSeq(thread));

  useEffect(() => {
    if (!reply) return;
    if (isLive(reply)) {
      writing.current = reply.id;
      setWords("The assistant is answering.");
    } else if (writing.current === reply.id || reply.seq > told.current) {
      writing.current = null;
      told.current = Math.max(told.current, reply.seq);
      setWords(spoken(reply));
    }
  }, [reply]);

  return (
    <div aria-live="polite" className="sr-only">
      {words}
    </div>
  );
}

function spoken({ status, text }: Message): string {
  if (status !== "complete") return "The answer ended early.";
  const words = text ?? "";
  return words.length > SPOKEN ? `Answer: ${words.slice(0, SPOKEN)}…` : `Answer: ${words}`;
}
