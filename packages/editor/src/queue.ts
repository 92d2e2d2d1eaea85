/** Prompts that wait for the model, which is asked with one at a time. */
import type { EditorPrompt } from "./document.ts";
import type { Scored } from "./prompt.ts";
import type { Step } from "./step.ts";

/** A prompt that waits for the model. */
export interface PendingPrompt {
  /** The object it is for; `null` for one that is not there yet. */
  readonly object: number | null;
  readonly prompt: EditorPrompt;
}

/** A prompt with all that was joined in it. */
export interface Waiting extends PendingPrompt {
  prompt: EditorPrompt;
  /** How many clicks, boxes and the like it holds. */
  count: number;
  /** The request whose answer counts; those before it are out of date. */
  request: number;
  readonly answer: PromiseWithResolvers<Step | undefined>;
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** What the queue needs of its session. */
export interface QueueOwner {
  ask(waiting: Waiting): Promise<Scored>;
  /** Makes a step of an answer. `isOpen`: of a new object's that further prompts were for. */
  commit(waiting: Waiting, prediction: Scored, isOpen: boolean): Step | undefined;
  /** Another prompt waits, or one does not any more. */
  changed(): void;
  failed(error: unknown): void;
}

/** What is added for an object that waits already joins it: the model is asked again, and one step comes of both. */
export class PromptQueue {
  readonly #owner: QueueOwner;
  /** The first is at the engine. */
  #waiting: readonly Waiting[] = [];
  /** The new object that further prompts are for. */
  #open: Waiting | undefined;

  constructor(owner: QueueOwner) {
    this.#owner = owner;
  }

  /** The one that the model works on first. */
  get waiting(): readonly PendingPrompt[] {
    return this.#waiting.map(({ object, prompt }) => ({ object, prompt }));
  }

  /** -> the step; `undefined` once it is given up. `first` is the prompt to extend where none waits for the object. */
  add(
    object: number | null,
    extend: (prompt: EditorPrompt) => EditorPrompt,
    first: () => EditorPrompt,
  ): Promise<Step | undefined> {
    let waiting = object === null ? this.#open : this.#waiting.find((one) => one.object === object);
    if (waiting === undefined) {
      waiting = { object, prompt: extend(first()), count: 1, request: 0, answer: withResolvers() };
      this.#waiting = [...this.#waiting, waiting];
      if (object === null) this.#open = waiting;
    } else {
      waiting.prompt = extend(waiting.prompt);
      waiting.count++;
    }
    if (this.#waiting[0] === waiting) this.#request(waiting);
    this.#owner.changed();
    return waiting.answer.promise;
  }

  /** The next prompt without an object begins another one. */
  close(): void {
    this.#open = undefined;
  }

  /** Gives up the prompts of some objects, or all. */
  giveUp(isGiven: (object: number | null) => boolean = () => true): void {
    const given = this.#waiting.filter(({ object }) => isGiven(object));
    if (given.length === 0) return;
    this.#drop(given);
    for (const { answer } of given) answer.resolve(undefined);
    this.#next();
  }

  /** Asks the engine; an answer to an older request of this prompt no longer counts. */
  #request(waiting: Waiting): void {
    const request = ++waiting.request;
    const isCurrent = (): boolean => waiting.request === request && this.#waiting.includes(waiting);
    this.#owner.ask(waiting).then(
      (prediction) => isCurrent() && this.#answer(waiting, (isOpen) => this.#owner.commit(waiting, prediction, isOpen)),
      (error) =>
        isCurrent() &&
        this.#answer(waiting, () => {
          throw error;
        }),
    );
  }

  /** Ends a prompt with what `commit` makes of it, and goes on with the next. */
  #answer(waiting: Waiting, commit: (isOpen: boolean) => Step | undefined): void {
    const isOpen = this.#open === waiting;
    this.#drop([waiting]);
    try {
      waiting.answer.resolve(commit(isOpen));
    } catch (error) {
      this.#owner.failed(error);
      waiting.answer.reject(error);
    }
    this.#next();
  }

  #drop(dropped: readonly Waiting[]): void {
    this.#waiting = this.#waiting.filter((one) => !dropped.includes(one));
    if (this.#open !== undefined && dropped.includes(this.#open)) this.#open = undefined;
    this.#owner.changed();
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first !== undefined && first.request === 0) this.#request(first);
  }
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
