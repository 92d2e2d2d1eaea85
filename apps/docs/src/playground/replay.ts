/** A link's prompts, done again. */
import type { EditorSession } from "@masklet/editor";
import { messageOf } from "../live/engine.ts";
import { everything } from "./everything.ts";
import { editor, say, state } from "./page.ts";
import type { ShownObject, Work } from "./work.ts";

/** Does what a link asks for, once its picture is open and the model knows it. */
export async function replay(): Promise<void> {
  const [work, document] = [
    state.asked,
    state.video === undefined ? editor.session?.document : state.videoEditor?.session?.document,
  ];
  if (work === undefined || document === undefined) return;
  const count = "count" in document ? document.count : undefined;
  const sizeOf = (one: Pick<Work, "width" | "height" | "count">): string =>
    `${one.width}x${one.height} pixels${one.count === undefined ? "" : ` and ${one.count} frames`}`;
  if (document.width !== work.width || document.height !== work.height || count !== work.count) {
    say(`The link's prompts are for ${sizeOf(work)}, this has ${sizeOf(document)}: they are not set.`);
    return;
  }
  state.asked = undefined;
  try {
    if (state.videoEditor?.session !== undefined && state.video !== undefined) {
      const { session } = state.videoEditor;
      const ids = new Map<number, number>();
      for (const object of work.objects) {
        session.seek(object.frame);
        session.select(ids.get(object.id) ?? null);
        await show(session.frameEditor, object);
        if (session.selected !== null) ids.set(object.id, session.selected);
      }
      session.seek(0);
    } else if (editor.session !== undefined) {
      for (const object of work.objects) {
        editor.session.select(null);
        await show(editor.session, object);
      }
      editor.session.select(null);
    }
    say(`The link's prompts are set: ${work.objects.length}.`);
    if (work.everything !== undefined) await everything(work.everything);
  } catch (error) {
    say(`The link's prompts could not all be set: ${messageOf(error)}`);
  }
}

async function show(session: EditorSession, object: ShownObject): Promise<void> {
  const { points, labels, box, lasso, candidate, feather, decontaminate } = object;
  // Asked at once, they are one prompt and one step.
  await Promise.all([
    ...points.map((point, i) => session.addPoint(point, labels[i] ?? 1)),
    ...(box === null ? [] : [session.setBox(box)]),
    ...(lasso === null ? [] : [session.setLasso(lasso)]),
  ]);
  const selected = session.selected === null ? undefined : session.object(session.selected);
  if (selected === undefined) return;
  if (candidate !== null && candidate < selected.candidates.length) session.chooseCandidate(candidate);
  if (feather > 0 || decontaminate > 0) session.setEdge({ feather, decontaminate });
}
