/** Undo and redo, as sessions of pictures and of videos both have them. */
import { Reader } from "./document.ts";

/** Where a step came from. Those of `undo` and `take` are for a host that shows them, not for its undo stack. */
export type StepOrigin = "command" | "undo" | "redo" | "take";

/** How a kind of document changes. */
export interface StepKind<D, S> {
  /** A step from outside. Throws an `EditorError` "step-malformed". */
  readonly parse: (value: unknown, document: D, where?: string) => S;
  /** Throws an `EditorError` "conflict". */
  readonly apply: (document: D, step: S) => D;
  readonly invert: (step: S) => S;
  /** Has the reader fail where the document speaks of what it does not have. */
  readonly checkReferences: (read: Reader, document: D) => void;
}

/** What a history needs of its session. */
export interface HistoryOwner<D, S> {
  document(): D;
  /** Has the document that a step made. */
  show(document: D, step: S, origin: StepOrigin): void;
  /** Tells of a step. */
  emit(step: S, origin: StepOrigin): void;
}

/** The part of a saved session that is history. */
export interface SavedHistory<S> {
  /** Steps that undo takes back, the last one first to go. */
  readonly past: readonly S[];
  /** Steps that redo does again, the last one first. */
  readonly future: readonly S[];
}

/** Does steps, and takes them back. A step that does not fit throws before anything has changed. */
export class History<D, S> {
  readonly #kind: StepKind<D, S>;
  readonly #owner: HistoryOwner<D, S>;
  readonly #limit: number;
  #saved: SavedHistory<S> = { past: [], future: [] };

  /** `limit` is how many steps are remembered; with 0, none is. */
  constructor(kind: StepKind<D, S>, owner: HistoryOwner<D, S>, limit: number) {
    this.#kind = kind;
    this.#owner = owner;
    this.#limit = limit;
  }

  get saved(): SavedHistory<S> {
    return this.#saved;
  }

  /** The step that `undo` takes back. */
  get undoStep(): S | undefined {
    return this.#saved.past.at(-1);
  }

  /** The step that `redo` does again. */
  get redoStep(): S | undefined {
    return this.#saved.future.at(-1);
  }

  /** A command's step. Nothing is left to redo. */
  do(step: S): S {
    const document = this.#kind.apply(this.#owner.document(), step);
    this.add(step);
    return this.#show(document, step, "command");
  }

  /** Remembers a command's step that was shown already, and is told of by whoever did so. */
  add(step: S): void {
    this.#saved = { past: this.#limit === 0 ? [] : [...this.#saved.past, step].slice(-this.#limit), future: [] };
  }

  /** Takes the last step back. -> the step that did so. */
  undo(): S | undefined {
    const step = this.undoStep;
    if (step === undefined) return undefined;
    const inverse = this.#kind.invert(step);
    const document = this.#kind.apply(this.#owner.document(), inverse);
    const { past, future } = this.#saved;
    this.#saved = { past: past.slice(0, -1), future: [...future, step] };
    return this.#show(document, inverse, "undo");
  }

  /** Does the step again that was taken back last. */
  redo(): S | undefined {
    const step = this.redoStep;
    if (step === undefined) return undefined;
    const document = this.#kind.apply(this.#owner.document(), step);
    const { past, future } = this.#saved;
    this.#saved = { past: [...past, step], future: future.slice(0, -1) };
    return this.#show(document, step, "redo");
  }

  /** A step from outside, which is not remembered. Throws an `EditorError` "step-malformed" or "conflict". */
  take(value: unknown): void {
    const document = this.#owner.document();
    const step = this.#kind.parse(value, document);
    this.#show(this.#reached(document, step), step, "take");
  }

  /** What was saved, for the owner's document. Throws as `take`, and an `EditorError` "document-malformed". */
  load(read: Reader, saved: Readonly<Record<string, unknown>>): void {
    const document = this.#owner.document();
    const steps = (key: "past" | "future"): readonly S[] =>
      read.list(`session.${key}`, saved[key], (where, step) => this.#kind.parse(step, document, where));
    const [past, future] = [steps("past"), steps("future")];
    past.reduceRight((at, step) => this.#reached(at, this.#kind.invert(step)), document);
    future.reduceRight((at, step) => this.#reached(at, step), document);
    this.#saved = { past, future };
  }

  /** Forgets all. */
  clear(): void {
    this.#saved = { past: [], future: [] };
  }

  #show(document: D, step: S, origin: StepOrigin): S {
    this.#owner.show(document, step, origin);
    this.#owner.emit(step, origin);
    return step;
  }

  /** The document after a step from outside. */
  #reached(document: D, step: S): D {
    const reached = this.#kind.apply(document, step);
    this.#kind.checkReferences(new Reader("step-malformed"), reached);
    return reached;
  }
}

/** What `save` of either session gives, read: its document, and what is selected in it. */
export interface SavedFields<D> {
  readonly read: Reader;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly document: D;
  readonly selected: number | null;
  readonly activeClass: string | null;
}

/** Throws an `EditorError` "document-malformed". */
export function readSaved<D>(saved: unknown, parse: (document: unknown) => D): SavedFields<D> {
  const read = new Reader("document-malformed");
  const fields = read.record("session", saved);
  if (fields["version"] !== 1) read.fail("session.version", "1", fields["version"]);
  return {
    read,
    fields,
    document: parse(fields["document"]),
    selected: read.optional(fields["selected"], (id) => read.integer("session.selected", id, 1)),
    activeClass: read.optional(fields["activeClass"], (name) => read.text("session.activeClass", name)),
  };
}
