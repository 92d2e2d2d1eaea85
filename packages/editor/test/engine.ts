import process from "node:process";
import { type Mask, type Point, type Prompt, StateError } from "@masklet/core";
import type { PromptEngine } from "@masklet/editor";

/** What the model of these tests sees in a prompt: discs around clicks, boxes, masks as they are. Three for one click. */
export function drawn(
  { points = [], labels = [], box, maskInput }: Prompt,
  width: number,
  height: number,
): readonly Mask[] {
  const inBox = (x: number, y: number): boolean =>
    Array.isArray(box) && x > box[0] && y > box[1] && x < box[2] && y < box[3];
  const inMask = (x: number, y: number): boolean => {
    if (maskInput === undefined) return false;
    const [column, row] = [Math.floor((x / width) * maskInput.width), Math.floor((y / height) * maskInput.height)];
    return (maskInput.data[row * maskInput.width + column] ?? 0) > 0;
  };
  const near = (label: number, radius: number, [x, y]: Point): boolean =>
    points.some(([px, py], i) => (labels[i] ?? 1) === label && Math.hypot(px - x, py - y) <= radius);
  return [4, 8, 2].map((radius) => ({
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, i) => {
      const at: Point = [(i % width) + 0.5, Math.floor(i / width) + 0.5];
      return Number((near(1, radius, at) || inBox(...at) || inMask(...at)) && !near(0, radius, at));
    }),
  }));
}

/** An engine that answers as `drawn`, when it is let: calls that are superseded reject, as a predictor's do. */
export class DrawingEngine implements PromptEngine {
  readonly model = { config: { imageSize: 64 } };
  readonly asked: Prompt[] = [];
  readonly #size: readonly [width: number, height: number];
  #latest = 0;
  /** Calls wait for this one's promise. */
  hold: Promise<void> | undefined;
  failure: Error | undefined;

  constructor(width: number, height: number) {
    this.#size = [width, height];
  }

  async predict(
    prompt: Prompt,
    { multimaskOutput }: { readonly multimaskOutput: boolean },
  ): Promise<{ readonly masks: readonly Mask[]; readonly iouPredictions: readonly number[] }> {
    this.asked.push(prompt);
    const call = ++this.#latest;
    await this.hold;
    if (call !== this.#latest) throw new StateError("superseded", "predict: a newer call with latest: true has come");
    if (this.failure !== undefined) throw this.failure;
    const masks = this.draw(prompt, ...this.#size);
    return multimaskOutput
      ? { masks, iouPredictions: [0.7, 0.9, 0.5] }
      : { masks: masks.slice(1, 2), iouPredictions: [0.8] };
  }

  protected draw(prompt: Prompt, width: number, height: number): readonly Mask[] {
    return drawn(prompt, width, height);
  }
}

/** An engine whose calls are answered by the test, in any order: it supersedes none. */
export class PatientEngine implements PromptEngine {
  readonly model = { config: { imageSize: 64 } };
  readonly calls: { readonly answer: () => void; readonly fail: (error: Error) => void }[] = [];
  readonly #size: readonly [width: number, height: number];

  constructor(width: number, height: number) {
    this.#size = [width, height];
  }

  predict(prompt: Prompt): ReturnType<PromptEngine["predict"]> {
    return new Promise((resolve, fail) => {
      const masks = drawn(prompt, ...this.#size);
      this.calls.push({ answer: () => resolve({ masks, iouPredictions: [0.7, 0.9, 0.5] }), fail });
    });
  }
}

/** What listeners threw while `act` went on: it is reported as unhandled, which the test's own runner is not to see. */
export async function reported(act: () => unknown): Promise<readonly unknown[]> {
  const others = process.listeners("unhandledRejection");
  const found: unknown[] = [];
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => found.push(error));
  try {
    await act();
    await new Promise((resolve) => setTimeout(resolve)); // reports come after the promises of this turn
    return found;
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of others) process.on("unhandledRejection", listener);
  }
}
