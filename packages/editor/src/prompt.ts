/** Prompts: what a person has shown of an object, and how a model is asked with it. */
import {
  decodeRle,
  type ImagePrediction,
  type Label,
  type Mask,
  maskPrompt,
  type Point,
  type Prompt,
  ringRle,
} from "@masklet/core";
import { type EditorDocument, type EditorObject, type EditorPrompt, noPrompt, ringBox } from "./document.ts";
import { isEmpty } from "./masks.ts";
import { rleOf } from "./step.ts";

/** What answers prompts: an `ImagePredictor` of core, its remote client, or anything with the two. */
export interface PromptEngine {
  readonly model: { readonly config: { readonly imageSize: number } };
  predict(
    prompt: Prompt,
    options: { readonly multimaskOutput: boolean; readonly latest: boolean },
  ): Promise<Pick<ImagePrediction, "masks" | "iouPredictions">>;
}

/** What answers prompts where it matters which object they are for: what follows objects through a video. */
export interface ObjectEngine {
  /** The mask for all of an object's prompt. It is asked for no previews. A newer call makes those before out of date. */
  predictObject(id: number, prompt: EditorPrompt): Promise<Pick<ImagePrediction, "masks" | "iouPredictions">>;
}

/** Candidates, and which of them is the best. */
export interface Scored {
  readonly masks: readonly Mask[];
  readonly scores: readonly number[];
  readonly best: number;
}

/** Asks for the mask of all of an object's prompt; of one that is not there yet, as the next. */
export async function askEngine(
  engine: PromptEngine | ObjectEngine,
  size: EditorDocument,
  object: EditorObject | undefined,
  prompt: EditorPrompt,
): Promise<Scored> {
  if ("predictObject" in engine) return scored(await engine.predictObject(object?.id ?? size.nextId, prompt));
  const { points, labels, box, lasso, isRefinement } = prompt;
  const shown =
    lasso !== null
      ? decodeRle(ringRle(lasso, size))
      : isRefinement && object !== undefined && !isEmpty(object.mask, size)
        ? decodeRle(rleOf(object.mask, size))
        : undefined;
  const around = box ?? (lasso === null ? undefined : ringBox(lasso));
  const asked: Prompt = {
    ...(points.length > 0 && { points, labels }),
    ...(around && { box: around }),
    ...(shown && { maskInput: maskPrompt(shown, engine.model.config.imageSize) }),
  };
  const isAmbiguous = points.length === 1 && around === undefined && shown === undefined;
  return scored(await engine.predict(asked, { multimaskOutput: isAmbiguous, latest: true }));
}

function scored({ masks, iouPredictions: scores }: Pick<ImagePrediction, "masks" | "iouPredictions">): Scored {
  const best = scores.reduce((top, score, i) => (score > (scores[top] as number) ? i : top), 0);
  return { masks, scores, best };
}

/** Clicks that a stroke is told as, at most. */
const SCRIBBLE_CLICKS = 8;

export function promptOf(object: EditorObject | undefined): EditorPrompt {
  return object?.prompt ?? noPrompt;
}

export function withPoints(prompt: EditorPrompt, points: readonly Point[], label: Label): EditorPrompt {
  return {
    ...prompt,
    points: [...prompt.points, ...points],
    labels: [...prompt.labels, ...points.map(() => label)],
  };
}

/** Points along a line, at equal distances, its ends among them; fewer where it is short. */
export function clicksAlong(points: readonly Point[]): readonly Point[] {
  const lengths = points.map(([x, y], i) => {
    const [fromX, fromY] = points[i - 1] ?? [x, y];
    return Math.hypot(x - fromX, y - fromY);
  });
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const clicks = Math.max(1, Math.min(SCRIBBLE_CLICKS, Math.ceil(total / 2)));
  return Array.from({ length: clicks }, (_, k) => {
    let left = clicks === 1 ? total / 2 : (total * k) / (clicks - 1);
    let i = 1;
    while (i < points.length - 1 && left > (lengths[i] as number)) left -= lengths[i++] as number;
    const [x0, y0] = points[i - 1] as Point;
    const [x1, y1] = points[i] ?? [x0, y0];
    const length = lengths[i] ?? 0;
    const t = length === 0 ? 0 : Math.min(1, left / length);
    return [x0 + t * (x1 - x0), y0 + t * (y1 - y0)];
  });
}
