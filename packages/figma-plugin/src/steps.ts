/**
 * Changes to the document that happen wholly or not at all. Each change brings its inverse; what would destroy something
 * waits until all others have succeeded. All of it runs without an await, so that nobody can come in between.
 */
export class Steps {
  private readonly inverses: (() => void)[] = [];
  private readonly last: (() => void)[] = [];

  /** Runs `change`, one write, and keeps how to undo it: of several the first would stay where the second is refused. */
  run<T>(change: () => T, inverse: (made: T) => void): T {
    const made = change();
    this.inverses.push(() => inverse(made));
    return made;
  }

  /** Runs `change` when nothing can fail any more. */
  atLast(change: () => void): void {
    this.last.push(change);
  }

  commit(): void {
    for (const change of this.last) change();
  }

  rollBack(): void {
    for (const inverse of this.inverses.reverse()) inverse();
  }
}
