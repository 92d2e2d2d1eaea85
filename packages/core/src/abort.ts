/** The part of the platform's `AbortSignal` that core uses; any `AbortSignal` fits. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/**
 * Settles as `promise` does, or rejects with the signal's reason as soon as it is aborted. Work that cannot be stopped
 * goes on: `abandoned` receives its late result, so that nothing it holds is leaked.
 */
export function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignalLike | undefined,
  abandoned: (late: T) => void = () => {},
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
    promise.then(
      (value) => {
        signal.removeEventListener("abort", onAbort);
        if (left) abandoned(value);
        else resolve(value);
      },
      (error) => {
        signal.removeEventListener("abort", onAbort);
        reject(error); // no effect once aborted
      },
    );
  });
}
