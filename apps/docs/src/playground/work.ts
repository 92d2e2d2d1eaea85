/** What a person did in the playground, as far as a link can carry it and a program can do it again. */
import type { Label, Point, PromptBox, Ring, Size } from "@masklet/core";
import type { EditorDocument, EditorObject, EditorPrompt, VideoEditorDocument } from "@masklet/editor";

/** What showed the model one object; in a video, on one frame. */
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
  /** 0 in a picture. */
  readonly frame: number;
}

/** Settings of everything-mode: Meta's names in the command line. */
export interface EverythingSettings {
  readonly pointsPerSide: number;
  readonly predIouThreshold: number;
  readonly stabilityScoreThreshold: number;
}

/** A picture's work, or a video's. */
export interface Work extends Size {
  /** Of a video: how many frames it has. */
  readonly count?: number;
  /** The file's name; the scene's is "scene.png". Of a video in a folder of images it is the folder's, without an ending. */
  readonly file: string;
  /** A published model's name, or "nano". */
  readonly model: string;
  readonly objects: readonly ShownObject[];
  /** Objects whose masks prompts alone do not give: painted, edited, merged. */
  readonly byHand: readonly number[];
  /** With what everything was looked for, if it was: its objects are no one's prompts. */
  readonly everything?: EverythingSettings;
}

const isPrompt = ({ points, box, lasso }: EditorPrompt): boolean => points.length > 0 || box !== null || lasso !== null;

/** Whether the mask follows from the object's prompt, or from the choice among the masks that it gave. */
function isShown({ prompt, candidate, candidates, mask }: EditorObject): boolean {
  const isChosen = candidate !== null && candidates[candidate]?.mask === mask;
  return isPrompt(prompt) && (isChosen || !prompt.isRefinement);
}

/** The part of a document that prompts made, and the ids of the rest, but for those that everything-mode found. */
export function workOf(
  { width, height, objects }: EditorDocument,
  about: Pick<Work, "file" | "model" | "everything">,
  found: ReadonlySet<number>,
): Work {
  const shown = objects.filter(isShown).map(({ id, prompt, candidate, edge }): ShownObject => {
    const { points, labels, box, lasso } = prompt;
    return { id, points, labels, box, lasso, candidate, ...edge, frame: 0 };
  });
  const byHand = objects.filter((one) => !isShown(one) && !found.has(one.id)).map(({ id }) => id);
  return { width, height, objects: shown, byHand, ...about };
}

/** As `workOf`, of a video: prompts by frame, then in the order of the objects. */
export function videoWorkOf(
  { width, height, count, objects }: VideoEditorDocument,
  about: Pick<Work, "file" | "model">,
): Work {
  const shown: ShownObject[] = [];
  const byHand = new Set<number>();
  for (const { id, edge, frames } of objects) {
    for (const [frame, { prompt }] of Object.entries(frames)) {
      if (prompt === null) continue;
      const { points, labels, box, lasso } = prompt;
      if (prompt.isRefinement || !isPrompt(prompt)) byHand.add(id);
      if (isPrompt(prompt))
        shown.push({ id, points, labels, box, lasso, candidate: null, ...edge, frame: Number(frame) });
    }
  }
  shown.sort((a, b) => a.frame - b.frame || a.id - b.id);
  return { width, height, count, objects: shown, byHand: [...byHand], ...about };
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
