/** Closes, in the last lines of a text that is still being written, what its writer has opened
 * but not yet closed, so that no bare marks flash up while the rest is on its way. */
export function mend(tail: string): string {
  if (/^ {0,3}(```|~~~)/.test(tail) || /^( {4}|\t)/.test(tail)) return tail;
  const lineStart = tail.lastIndexOf("\n\n") + 1;
  const line = tail.slice(lineStart);
  if (isFenced(tail)) return tail;
  return tail.slice(0, lineStart) + mendLine(line);
}

function mendLine(line: string): string {
  const text = line
    .replace(/!?\[([^\]\n]*)\]\([^)\s]*$/, "$1") // a link whose address is on its way
    .replace(/(^|\s)(\*{1,3}|_{1,3}|~{1,2}|`)$/, "$1"); // a mark before its first word
  const outside = text.replace(/`[^`\n]*`/g, "");
  if (outside.includes("`")) return `${text}\``;
  const bold = outside.split("**").length % 2 === 0;
  const rest = outside.replace(/\*\*/g, "").replace(/^\s*\* /gm, "");
  const italic = rest.split("*").length % 2 === 0 && /\*\S[^*]*$/.test(rest);
  const struck = outside.split("~~").length % 2 === 0;
  return text.replace(/\s+$/, "") === text
    ? text + (italic ? "*" : "") + (bold ? "**" : "") + (struck ? "~~" : "")
    : text;
}

/** Whether the text ends inside a fenced block (in a list, for instance). */
function isFenced(tail: string): boolean {
  return (tail.match(/^\s*(```|~~~)/gm)?.length ?? 0) % 2 === 1;
}
