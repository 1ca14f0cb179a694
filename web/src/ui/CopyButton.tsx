import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { copyText } from "./clipboard";
import { IconButton } from "./IconButton";

type Props = { readonly text: string; readonly label: string };

export function CopyButton({ text, label }: Props) {
  const [copied, setCopied] = useState(false);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_600);
    return () => clearTimeout(timer);
  }, [copied]);

  return (
    <IconButton
      label={copied ? "Copied" : label}
      onClick={async () => setCopied(await copyText(text))}
    >
      {copied ? <Check /> : <Copy />}
    </IconButton>
  );
}
