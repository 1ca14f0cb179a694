import { Problem, Unreachable } from "./http";

const SENTENCES: Readonly<Record<string, string>> = {
  rate_limited: "That was too often in too short a time. Wait a minute.",
  request_id_reused: "This was already sent with other words.",
  storage_full: "The server's disk is full. Nothing was changed.",
  store_unavailable: "The server's database is busy. Nothing was changed.",
  too_large: "This is too large to send.",
};

/** What to tell a person about a failed request. */
export function sentenceFor(error: unknown): string {
  if (error instanceof Unreachable) return error.message;
  if (error instanceof Problem) {
    return SENTENCES[error.code] ?? (error.message || "The server refused this.");
  }
  return "Something went wrong on this page.";
}

const REPLY_SENTENCES: Readonly<Record<string, string>> = {
  model_not_found: "The chosen model is not there any more. Choose another and try again.",
  model_unavailable: "The model is not ready or cannot be reached.",
  model_refused: "The model's server refused the request.",
  model_cut: "The model's answer broke off.",
  model_timeout: "The model took too long.",
  prompt_too_long: "The message does not fit the model's window.",
};

/** Why a reply failed, by its error code. */
export function replySentence(code: string | null): string {
  return (code && REPLY_SENTENCES[code]) || "The model could not answer.";
}
