/** Runs jobs one after another, in the order they came. A job that fails does not stop the next. */
export class Lock {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(job: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(job);
    this.#tail = turn.catch(() => {});
    return turn;
  }
}
