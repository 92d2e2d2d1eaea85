import { indexOf, insert } from "./layers.ts";
import type { Figma, ParentNode, SceneNode } from "./sandbox.ts";

/**
 * Changes to the document that happen wholly or not at all. Each change brings its inverse; what would destroy something
 * waits until all others have succeeded. All of it runs without an await, so that nobody can come in between.
 */
export class Steps {
  private readonly inverses: (() => void)[] = [];
  private readonly figma: Figma;
  private doomed: readonly SceneNode[] = [];

  constructor(figma: Figma) {
    this.figma = figma;
  }

  /** Runs `change`, one write, and keeps how to undo it: of several the first would stay where the second is refused. */
  run<T>(change: () => T, inverse: (made: T) => void): T {
    const made = change();
    this.inverses.push(() => inverse(made));
    return made;
  }

  /** Removes layers of one parent when nothing else can fail any more; called once at most. */
  removeAtLast(nodes: readonly SceneNode[]): void {
    this.doomed = nodes;
  }

  commit(): void {
    const { doomed } = this;
    const [first, ...more] = doomed;
    if (first === undefined) return;
    if (more.length === 0) {
      first.remove();
      return;
    }
    // In one write: of several removals the second may be refused when the first cannot be undone.
    const parent = first.parent as ParentNode;
    const places = doomed.map((node) => ({ node, index: indexOf(node) })).sort((a, b) => a.index - b.index);
    const group = this.run(
      () => this.figma.group(doomed, parent),
      () => {
        for (const { node, index } of places) insert(parent, index, node);
      },
    );
    group.remove();
  }

  rollBack(): void {
    for (const inverse of this.inverses.reverse()) inverse();
  }
}
