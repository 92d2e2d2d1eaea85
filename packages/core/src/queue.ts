import { type AbortSignalLike, abortable } from "./abort.ts";

/** Runs jobs one after another, in the order they came. A job that fails does not stop the next. */
export class Queue {
  #tail: Promise<unknown> = Promise.resolve();

  /**
   * Settles as `job` does. Aborting rejects at once: a job that has not begun is left out, one under way gets its
   * result handed to `abandoned`, and the next job waits for its end. Who awaits the promise itself sees the outcome
   * before the next job begins.
   */
  run<T>(job: () => Promise<T>, signal?: AbortSignalLike, abandoned?: (late: T) => void): Promise<T> {
    const turn = this.#tail.then(() => {
      signal?.throwIfAborted();
      return job();
    });
    const outcome = abortable(turn, signal, abandoned);
    this.#tail = outcome.catch(() => turn).catch(() => {});
    return outcome;
  }

  /** Resolves when everything queued so far has ended. */
  idle(): Promise<void> {
    return this.#tail.then(() => {});
  }
}
