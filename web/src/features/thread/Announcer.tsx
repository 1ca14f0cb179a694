import { useEffect, useRef, useState } from "react";
import type { Message } from "@/api/schema";
import { isLive } from "@/runtime/threads";

const SPOKEN = 600;

/** Tells those who cannot see it that an answer began, and what it says once it is whole. */
export function Announcer({ reply }: { readonly reply: Message | null }) {
  const [words, setWords] = useState("");
  const writing = useRef<string | null>(null);

  useEffect(() => {
    if (!reply) return;
    if (isLive(reply)) {
      writing.current = reply.id;
      setWords("The assistant is answering.");
    } else if (writing.current === reply.id) {
      writing.current = null;
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
