import type { Conversation } from "@/api/schema";

export function titleOf(conversation: Pick<Conversation, "title"> | undefined): string {
  return conversation?.title || "New conversation";
}
