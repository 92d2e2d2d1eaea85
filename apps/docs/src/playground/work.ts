/** What a person did in the playground, as far as a link can carry it and a program can do it again. */
import type { Label, Point, PromptBox, Ring, Size } from "@masklet/core";
import type { EditorDocument, EditorObject } from "@masklet/editor";

/** What showed the model one object. */
export interface ShownObject {
  /** The object's id in the editor. */
  readonly id: number;
  readonly points: readonly Point[];
  /** One for each point. */
  readonly labels: readonly Label[];
  readonly box: PromptBox | null;
  readonly lasso: Ring | null;
  /** Which of the three masks of a single click it is; `null` where there was one mask. */
  readonly candidate: number | null;
  readonly feather: number;
  readonly decontaminate: number;
}

/** Settings of everything-mode: Meta's names in the command line. */
export interface EverythingSettings {
  readonly pointsPerSide: number;
  readonly predIouThreshold: number;
  readonly stabilityScoreThreshold: number;
}

/** A picture's work. */
export interface Work extends Size {
  /** The picture's file name; the scene's is "scene.png". */
  readonly file: string;
  /** A published model's name, or "nano". */
  readonly model: string;
  readonly objects: readonly ShownObject[];
  /** Objects whose masks prompts alone do not give: painted, edited, merged. */
  readonly byHand: readonly number[];
  /** With what everything was looked for, if it was: its objects are no one's prompts. */
  readonly everything?: EverythingSettings;
}

/** Whether the mask follows from the object's prompt, or from the choice among the masks that it gave. */
function isShown({ prompt, candidate, candidates, mask }: EditorObject): boolean {
  const isChosen = candidate !== null && candidates[candidate]?.mask === mask;
  const hasPrompt = prompt.points.length > 0 || prompt.box !== null || prompt.lasso !== null;
  return hasPrompt && (isChosen || !prompt.isRefinement);
}

/** The part of a document that prompts made, and the ids of the rest, but for those that everything-mode found. */
export function workOf(
  { width, height, objects }: EditorDocument,
  about: Pick<Work, "file" | "model" | "everything">,
  found: ReadonlySet<number>,
): Work {
  const shown = objects.filter(isShown).map(({ id, prompt, candidate, edge }): ShownObject => {
    const { points, labels, box, lasso } = prompt;
    return { id, points, labels, box, lasso, candidate, ...edge };
  });
  const byHand = objects.filter((one) => !isShown(one) && !found.has(one.id)).map(({ id }) => id);
  return { width, height, objects: shown, byHand, ...about };
}

/** Whether the model is asked for three masks: as the editor's session asks. */
export function isAmbiguous({ points, box, lasso }: ShownObject): boolean {
  return points.length === 1 && box === null && lasso === null;
}

/** The box that the model is told: the prompt's, or the lasso's. */
export function boxOf({ box, lasso }: ShownObject): PromptBox | null {
  if (box !== null || lasso === null) return box;
  const xs = lasso.filter((_, i) => i % 2 === 0);
  const ys = lasso.filter((_, i) => i % 2 === 1);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
