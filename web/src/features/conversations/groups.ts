import type { Conversation } from "@/api/schema";

export type Group = { readonly name: string; readonly items: readonly Conversation[] };

const DAY_MS = 86_400_000;

/** Conversations in list order, cut where their last change falls into another stretch of time. */
export function groupByTime(conversations: readonly Conversation[], now: Date): Group[] {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const groups: { name: string; items: Conversation[] }[] = [];
  for (const one of conversations) {
    const name = one.pinned ? "Pinned" : stretchOf(Date.parse(one.updated_at), midnight);
    const last = groups.at(-1);
    if (last?.name === name) last.items.push(one);
    else groups.push({ name, items: [one] });
  }
  return groups;
}

function stretchOf(time: number, midnight: number): string {
  if (time >= midnight) return "Today";
  if (time >= midnight - DAY_MS) return "Yesterday";
  if (time >= midnight - 7 * DAY_MS) return "Last 7 days";
  if (time >= midnight - 30 * DAY_MS) return "Last 30 days";
  return "Earlier";
}
