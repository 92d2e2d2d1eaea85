import { DownloadError } from "../errors.ts";

/** The part of a `Response` that tells why a request failed. */
export interface FailedResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
}

/** What an HTTP status means for a model's file; `DownloadError`s carry it as `code`. */
export type HttpErrorCode =
  | "unauthorized"
  | "forbidden"
  | "not-on-server"
  | "range-refused"
  | "rate-limited"
  | "server-error"
  | "http-error";

const codes: ReadonlyMap<number, HttpErrorCode> = new Map([
  [401, "unauthorized"],
  [403, "forbidden"],
  [404, "not-on-server"],
  [410, "not-on-server"],
  [416, "range-refused"],
  [429, "rate-limited"],
]);

const advice: Readonly<Record<HttpErrorCode, string>> = {
  unauthorized: "it wants a token, or refuses the one it got (Hugging Face also says so of what does not exist)",
  forbidden: "access is not granted; on Hugging Face a gated model must first be accepted on its page",
  "not-on-server": "there is no such file",
  "range-refused": "the server does not have the part that was asked for",
  "rate-limited": "too many requests; try again later",
  "server-error": "the server failed; try again later",
  "http-error": "it was not expected",
};

/**
 * The error for an answer that is no success. `details` has `status`, `url`, `retryAfter` (seconds, where the server
 * names them) and `reason` (Hugging Face's own code, `EntryNotFound` for instance). `now` is the time in ms since 1970.
 */
export function httpError(url: string, { status, headers }: FailedResponse, now: number): DownloadError {
  const code = codes.get(status) ?? (status >= 500 ? "server-error" : "http-error");
  const retryAfter = retryAfterSeconds(headers.get("retry-after"), now);
  const reason = headers.get("x-error-code");
  const told = reason === null ? "" : ` (${reason})`;
  return new DownloadError(code, `${withoutQuery(url)}: the answer is HTTP ${status}${told}: ${advice[code]}`, {
    details: {
      url: withoutQuery(url),
      status,
      ...(retryAfter !== undefined && { retryAfter }),
      ...(reason !== null && { reason }),
    },
  });
}

/** An address that may be shown: a signed address carries its secret in the query. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, "");
}

/** `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3). */
function retryAfterSeconds(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}
