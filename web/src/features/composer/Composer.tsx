import { ArrowUp, Square } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { AutoTextarea } from "@/ui/AutoTextarea";
import { Button } from "@/ui/Button";
import { sendsMessage } from "@/ui/sendsMessage";
import { isTouch } from "@/ui/useMedia";
import { useDraft } from "./useDraft";

const ID = "composer";

export function focusComposer(): void {
  document.getElementById(ID)?.focus();
}

type Props = {
  /** Each place keeps its own draft. */
  readonly place: string;
  /** Whether it is known what a message would follow; one that is sent before waits for it. */
  readonly ready: boolean;
  /** An answer is being written: it must end, or be stopped, before the next message. */
  readonly busy: boolean;
  readonly tools: ReactNode;
  readonly onSend: (text: string) => void;
  readonly onStop: () => void;
  readonly onEditLast?: () => void;
  /** Beginnings to choose from while nothing is written. */
  readonly starters?: readonly string[];
};

export function Composer({
  place,
  ready,
  busy,
  tools,
  onSend,
  onStop,
  onEditLast,
  starters,
}: Props) {
  const [text, setText] = useDraft(place);
  const input = useRef<HTMLTextAreaElement>(null);
  const [waits, setWaits] = useState(false);
  const blank = text.trim() === "";

  useEffect(() => {
    if (!isTouch()) input.current?.focus();
  }, []);

  useEffect(() => {
    if (!waits || !ready) return;
    setWaits(false);
    send();
  });

  function write(next: string): void {
    setWaits(false);
    setText(next);
  }

  function send(): void {
    if (busy || blank) return;
    if (!ready) {
      setWaits(true);
      return;
    }
    setText("");
    onSend(text);
    input.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (sendsMessage(event)) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && text === "" && onEditLast) {
      event.preventDefault();
      onEditLast();
    }
  }

  function begin(starter: string): void {
    write(`${starter} `);
    input.current?.focus();
  }

  return (
    <>
      <form
        className="rounded-2xl border border-line bg-raised shadow-sm transition-colors focus-within:border-accent/60"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <label htmlFor={ID} className="sr-only">
          Your message
        </label>
        <AutoTextarea
          id={ID}
          ref={input}
          value={text}
          placeholder="Write a message…"
          onChange={(event) => write(event.target.value)}
          onKeyDown={onKeyDown}
          className="block max-h-[40dvh] min-h-12 w-full px-4 pt-3 pb-1 text-base outline-none placeholder:text-muted sm:text-[0.9375rem]"
        />
        <div className="flex items-center justify-between gap-2 p-2">
          <div className="flex min-w-0 items-center">{tools}</div>
          {busy ? (
            <RoundButton label="Stop the answer" onClick={onStop}>
              <Square className="size-3.5 fill-current" />
            </RoundButton>
          ) : (
            <RoundButton label="Send" submit disabled={blank || waits}>
              <ArrowUp className="size-[1.15rem]" />
            </RoundButton>
          )}
        </div>
      </form>
      {starters && text === "" && <Starters starters={starters} onChoose={begin} />}
    </>
  );
}

type StartersProps = {
  readonly starters: readonly string[];
  readonly onChoose: (starter: string) => void;
};

function Starters({ starters, onChoose }: StartersProps) {
  return (
    <ul aria-label="Ways to begin" className="mt-4 flex flex-wrap justify-center gap-2">
      {starters.map((starter) => (
        <li key={starter}>
          <Button round className="font-normal" onClick={() => onChoose(starter)}>
            {starter}…
          </Button>
        </li>
      ))}
    </ul>
  );
}

type RoundProps = {
  readonly label: string;
  readonly submit?: boolean;
  readonly disabled?: boolean;
  readonly onClick?: () => void;
  readonly children: ReactNode;
};

function RoundButton({ label, submit = false, children, ...rest }: RoundProps) {
  return (
    <button
      type={submit ? "submit" : "button"}
      aria-label={label}
      title={label}
      className="inline-flex size-9 shrink-0 items-center justify-center rounded-full bg-accent text-on-accent transition hover:brightness-110 disabled:cursor-default disabled:bg-hover disabled:text-muted"
      {...rest}
    >
      {children}
    </button>
  );
}
