/** HTTP as a download needs it: redirects by hand, silence noticed, failures typed, some of them tried again. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AbortSignalLike } from "../../abort.ts";
import { httpError, withoutQuery } from "../../checkpoint/http-error.ts";
import { DownloadError } from "../../errors.ts";

/** What every request of a download shares. */
export interface Connection {
  readonly fetch: typeof globalThis.fetch;
  /** Sent to `tokenOrigin` and to nobody else. */
  readonly token: string | undefined;
  readonly tokenOrigin: string;
  /** How long the other side may stay silent. */
  readonly timeoutMs: number;
  /** How often what may pass (a cut, silence, 429, 5xx) is tried again in a row. */
  readonly retries: number;
  /** Before the first of these; doubled each time. */
  readonly retryDelayMs: number;
  readonly signal: AbortSignal;
}

interface RequestOptions {
  readonly method: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Takes a redirect as the answer. */
  readonly isAnswer?: (response: Response) => boolean;
  readonly onResponse?: (response: Response) => void;
}

const maxRedirects = 10;
/** The longest `Retry-After` that is waited for; beyond it the caller had better know. */
const maxRetryAfterSeconds = 60;

/** Runs `work` with a real `AbortSignal` that follows the caller's. */
export async function withSignal<T>(
  signal: AbortSignalLike | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * One request, and what `use` makes of its answer and of the answer's body. `onResponse` gets each response on the way,
 * redirects too.
 *
 * Rejects as `use`, with the signal's reason, or with a `DownloadError`: what `httpError` makes of the status, "stalled",
 * "connection-failed", "response-malformed".
 */
export async function request<T>(
  url: string,
  { method, headers, isAnswer = () => false, onResponse }: RequestOptions,
  connection: Connection,
  use: (response: Response, body: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const { timeoutMs, token, tokenOrigin } = connection;
  const silence = new AbortController();
  const timer = setTimeout(() => {
    const message = `${withoutQuery(url)}: the server was silent for ${timeoutMs / 1000} s`;
    silence.abort(new DownloadError("stalled", message, { details: { url: withoutQuery(url), timeoutMs } }));
  }, timeoutMs);
  const alive = (): void => void timer.refresh();
  const signal = AbortSignal.any([connection.signal, silence.signal]);
  try {
    let at = url;
    for (let redirects = 0; ; redirects++) {
      const authorization = token !== undefined && new URL(at).origin === tokenOrigin ? `Bearer ${token}` : undefined;
      const response = await connection
        .fetch(at, {
          method,
          redirect: "manual",
          signal,
          headers: { ...headers, "accept-encoding": "identity", ...(authorization !== undefined && { authorization }) },
        })
        .catch((cause: unknown) => Promise.reject(connectionFailed(at, cause)));
      alive();
      onResponse?.(response);
      const location = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
      if (isAnswer(response) || (location === null && response.ok)) {
        return await use(response, chunksOf(at, response, alive));
      }
      await response.body?.cancel();
      if (location === null) throw httpError(at, response, Date.now());
      if (redirects === maxRedirects || !URL.canParse(location, at)) throw malformed(url, "redirects lead nowhere");
      at = new URL(location, at).href;
      if (!/^https?:/.test(at)) throw malformed(url, "it redirects to what is no web address");
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

async function* chunksOf(url: string, { body }: Response, alive: () => void): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const chunks: AsyncIterable<Uint8Array> = body;
  try {
    for await (const chunk of chunks) {
      alive();
      yield chunk;
    }
  } catch (cause) {
    throw connectionFailed(url, cause);
  }
}

/**
 * Runs `attempt` again after failures that may pass, with growing pauses, or after the server's `Retry-After`.
 * `progress`, from 0 to 1, is how far attempts have come: those that brought the file on by a hundredth do not count.
 */
export async function withRetries<T>(
  { retries, retryDelayMs, signal }: Connection,
  attempt: () => Promise<T>,
  progress: () => number = () => 0,
): Promise<T> {
  let before = progress();
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!(error instanceof DownloadError) || !mayPass.has(error.code)) throw error;
      const now = progress();
      if (now >= before + 0.01) [failures, before] = [0, now];
      const wait = Number(error.details["retryAfter"] ?? 0);
      if (failures >= retries || wait > maxRetryAfterSeconds) throw error;
      const pause = Math.max(wait * 1000, Math.min(retryDelayMs * 2 ** failures, 15_000) * (0.5 + Math.random() / 2));
      await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

const mayPass: ReadonlySet<string> = new Set(["stalled", "connection-failed", "rate-limited", "server-error"]);

/** The error for a connection that failed or ended early. */
export function connectionFailed(url: string, cause: unknown): DownloadError {
  // undici says "fetch failed" or "terminated" and keeps the reason beneath.
  const beneath = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const reason = beneath instanceof Error ? beneath.message || beneath.name : String(beneath);
  return new DownloadError("connection-failed", `${withoutQuery(url)}: the connection failed: ${reason}`, {
    cause,
    details: { url: withoutQuery(url) },
  });
}

/** The error for an answer that does not fit the request: a login page of some network, for instance. */
export function malformed(url: string, what: string): DownloadError {
  return new DownloadError("response-malformed", `${withoutQuery(url)}: not the answer that was asked for: ${what}`, {
    details: { url: withoutQuery(url) },
  });
}

/** An error of the file system, as Node throws them. */
export function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}
