/** Who is told of what happens in a session. */
export class Listeners<E> {
  readonly #listeners = new Set<(event: E) => void>();

  /** -> a function that takes the listener away again. */
  add(listener: (event: E) => void): () => void {
    const own = (event: E): void => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /**
   * Tells all. What a listener throws is reported as an unhandled rejection, as an `EventTarget` reports it: neither the
   * command that is under way nor the other listeners see it.
   */
  emit(event: E): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        void Promise.reject(error);
      }
    }
  }
}
