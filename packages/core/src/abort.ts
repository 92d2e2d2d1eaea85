/** The part of the platform's `AbortSignal` that core uses; any `AbortSignal` fits. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

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

/**
 * Settles as `promise` does, or rejects with the signal's reason as soon as it is aborted. Work that cannot be stopped
 * goes on: `abandoned` receives its late result, so that nothing it holds is leaked; nobody is there any more to hear of
 * its failure.
 */
export function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignalLike | undefined,
  abandoned: (late: T) => unknown = () => {},
): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    let left = false;
    const onAbort = (): void => {
      left = true;
      reject(signal.reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise
      .then(
        (value) => {
          signal.removeEventListener("abort", onAbort);
          return left ? abandoned(value) : resolve(value);
        },
        (error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error); // no effect once aborted
        },
      )
      .catch(() => {});
  });
}
