/** Steps that undo takes back, and those that redo does again. */
export class History<S> {
  readonly #limit: number;
  #past: readonly S[] = [];
  #future: readonly S[] = [];

  /** `limit` is how many steps are remembered; with 0, none is. */
  constructor(limit: number, past: readonly S[] = [], future: readonly S[] = []) {
    this.#limit = limit;
    this.#past = past;
    this.#future = future;
  }

  /** The last one is the first to go. */
  get past(): readonly S[] {
    return this.#past;
  }

  /** The last one comes first. */
  get future(): readonly S[] {
    return this.#future;
  }

  /** A step that was done anew: nothing is left to redo. */
  add(step: S): void {
    this.#past = this.#limit === 0 ? [] : [...this.#past, step].slice(-this.#limit);
    this.#future = [];
  }

  /** Says that the last step was taken back. */
  undone(): void {
    this.#future = [...this.#future, ...this.#past.slice(-1)];
    this.#past = this.#past.slice(0, -1);
  }

  /** Says that the step which was taken back last was done again. */
  redone(): void {
    this.#past = [...this.#past, ...this.#future.slice(-1)];
    this.#future = this.#future.slice(0, -1);
  }
}
