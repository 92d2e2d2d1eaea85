import type { AbortSignalLike } from "../abort.ts";

/** An `AbortController`, which the ES library does not have. */
export class Abort {
  readonly signal: AbortSignalLike;
  readonly #listeners = new Set<() => void>();
  #aborted: { readonly reason: unknown } | undefined;

  constructor() {
    const aborted = (): { readonly reason: unknown } | undefined => this.#aborted;
    this.signal = {
      get aborted() {
        return aborted() !== undefined;
      },
      get reason() {
        return aborted()?.reason;
      },
      throwIfAborted: () => {
        if (this.#aborted !== undefined) throw this.#aborted.reason;
      },
      addEventListener: (_, listener) => void this.#listeners.add(listener),
      removeEventListener: (_, listener) => void this.#listeners.delete(listener),
    };
  }

  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}
