import { type AbortSignalLike, abortable } from "./abort.ts";
import { StateError } from "./errors.ts";

/** Runs jobs one after another, in the order they came. A job that fails does not stop the next. */
export class Queue {
  #tail: Promise<unknown> = Promise.resolve();

  /**
   * Settles as `job` does. Aborting rejects at once: a job that has not begun is left out, one under way gets its
   * result handed to `abandoned`, and the next job waits for its end. Who awaits the promise itself sees the outcome
   * before the next job begins.
   */
  run<T>(job: () => Promise<T>, signal?: AbortSignalLike, abandoned?: (late: T) => unknown): Promise<T> {
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

/** The calls of something that is disposed of in the end: queued, and refused from then on. */
export class CallQueue {
  readonly #what: string;
  readonly #queue = new Queue();
  #latest = 0;
  #disposed = false;

  /** `what` is how errors call it: "the predictor". */
  constructor(what: string) {
    this.#what = what;
  }

  /** As `Queue.run`, but rejects with a `StateError` "disposed" after `dispose`. `where` is the call. */
  run<T>(
    where: string,
    signal: AbortSignalLike | undefined,
    job: () => Promise<T>,
    abandoned?: (late: T) => unknown,
  ): Promise<T> {
    const alive = async (): Promise<T> => {
      if (this.#disposed) throw new StateError("disposed", `${where}: ${this.#what} is disposed`);
      return job();
    };
    return this.#queue.run(alive, signal, abandoned);
  }

  /** For a call with `latest`: what throws a `StateError` "superseded" once another such call has come. */
  ticket(where: string, latest = false): () => void {
    if (!latest) return () => {};
    const ticket = ++this.#latest;
    return () => {
      if (ticket === this.#latest) return;
      throw new StateError("superseded", `${where}: a newer call with latest: true has come`);
    };
  }

  /** Refuses what is queued and what comes; `free` runs once the call under way has ended. */
  dispose(free: () => Promise<void>): Promise<void> {
    this.#disposed = true;
    return this.#queue.run(free);
  }
}
