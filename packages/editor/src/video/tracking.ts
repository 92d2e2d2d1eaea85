/**
 * Keeps a tracker's memory in step with a document: before it is asked, it is told what differs. So undo, a step from the
 * host or a document from a file need no inverse of what a model remembers, which there is none of.
 */
import {
  type AbortSignalLike,
  decodeRle,
  type FrameResult,
  type Mask,
  type PromptBox,
  ringRle,
  type Size,
  type TrackingSession,
  type VideoObject,
} from "@masklet/core";
import { type EditorPrompt, ringBox } from "../document.ts";
import { EditorError } from "../errors.ts";
import { encodeMask, isEmpty } from "../masks.ts";
import { rleOf } from "../step.ts";
import type { ObjectFrame, VideoEditorDocument, VideoEditorObject } from "./document.ts";

/** What the tracker has of an object on a frame. */
interface Held {
  /** As the document has it, or had it. */
  readonly mask: string;
  /** What the tracker said with it; `null` for one that it was told. */
  readonly objectScore: number | null;
  /** Whether it is one of its prompts. */
  readonly isPrompt: boolean;
}

interface SignalOption {
  readonly signal: AbortSignalLike;
}

/** One object's mask on one frame, as the tracker gave it. */
export interface Answer {
  readonly mask: Mask;
  readonly score: number;
}

/** A tracking session, and what of the document it knows. */
export class Tracking {
  readonly session: TrackingSession;
  readonly #held = new Map<number, Map<number, Held>>();

  constructor(session: TrackingSession) {
    this.session = session;
  }

  /** What the tracker said of whether an object is there, with the mask that it gave. */
  objectScore(id: number, frame: number, mask: string): number | null {
    const held = this.#held.get(id)?.get(frame);
    return held?.mask === mask ? held.objectScore : null;
  }

  /** Asks for an object's mask on a frame, given all of its prompt there. Rejects as `TrackingSession.addPrompt`. */
  async prompt(
    document: VideoEditorDocument,
    id: number,
    frame: number,
    { points, labels, box, lasso }: EditorPrompt,
    { signal }: SignalOption,
  ): Promise<Answer> {
    const object = document.objects.find((one) => one.id === id);
    const shown = lasso === null ? shownOn(object, frame, document) : encodeMask(decodeRle(ringRle(lasso, document)));
    const held = this.#held.get(id);
    // What it remembers of what is not there any more would be taken for what is to be corrected.
    if (object === undefined || (shown === undefined && held?.has(frame))) await this.#forget(id, signal);
    if (object !== undefined && this.#held.get(id) === undefined) await this.#tellPrompts(object, document, signal);
    if (shown !== undefined) await this.#tell(id, frame, shown, document, signal);
    const around: PromptBox | null = box ?? (lasso === null ? null : ringBox(lasso));
    const result = await this.session.addPrompt(
      { object: id, frame, ...(points.length > 0 && { points, labels }), ...(around && { box: around }) },
      { signal },
    );
    const answer = objectOf(result, id);
    const { mask, iouPrediction: score, objectScore } = answer;
    this.#hold(id, frame, { mask: encodeMask(mask), objectScore, isPrompt: true });
    return { mask, score };
  }

  /**
   * Tells the tracker all prompts, and of each object what is to be seen where tracking starts. -> whether there is
   * anything to track.
   */
  async prepare(document: VideoEditorDocument, start: number, { signal }: SignalOption): Promise<boolean> {
    for (const id of this.session.objectIds) {
      if (!document.objects.some((object) => object.id === id)) await this.#forget(id, signal);
    }
    let isAny = false;
    for (const object of document.objects) isAny = (await this.#prepare(object, document, start, signal)) || isAny;
    return isAny;
  }

  /**
   * What the tracker found on a frame, as the document has it. Left out are objects that it knows nothing of there, and
   * those that it was shown there: it has their masks from the document.
   */
  found({ frame, objects }: FrameResult): ReadonlyMap<number, ObjectFrame> {
    const found = new Map<number, ObjectFrame>();
    for (const { id, mask, iouPrediction: score, objectScore } of objects) {
      if (objectScore <= UNKNOWN || this.#held.get(id)?.get(frame)?.isPrompt) continue;
      const encoded = encodeMask(mask);
      this.#hold(id, frame, { mask: encoded, objectScore, isPrompt: false });
      found.set(id, { mask: encoded, score, objectScore, prompt: null });
    }
    return found;
  }

  async #prepare(
    object: VideoEditorObject,
    document: VideoEditorDocument,
    start: number,
    signal: AbortSignalLike,
  ): Promise<boolean> {
    const { id } = object;
    const prompts = promptMasks(object, document);
    // What was tracked in another session, or came from a file, is shown where tracking goes on from it.
    const shown = shownOn(object, start, document);
    if (shown !== undefined && this.#held.get(id)?.get(start)?.mask !== shown) prompts.set(start, shown);
    const held = this.#held.get(id);
    const isPrompted = held !== undefined && [...held.values()].some((one) => one.isPrompt);
    if (prompts.size === 0) {
      // What it is to be tracked by is what it was prompted by there, which has become what it remembers.
      if (shown !== undefined) prompts.set(start, shown);
      else {
        if (isPrompted || this.session.objectIds.includes(id)) await this.#forget(id, signal);
        return false;
      }
    }
    for (const [frame, mask] of prompts) await this.#tell(id, frame, mask, document, signal, true);
    for (const [frame, one] of this.#held.get(id) ?? []) {
      if (!one.isPrompt || prompts.has(frame)) continue;
      await this.session.clearPrompts({ object: id, frame }, { signal });
      this.#hold(id, frame, { ...one, isPrompt: false });
    }
    return true;
  }

  async #tellPrompts(object: VideoEditorObject, size: Size, signal: AbortSignalLike): Promise<void> {
    for (const [frame, mask] of promptMasks(object, size)) await this.#tell(object.id, frame, mask, size, signal);
  }

  /** Shows the tracker a mask that it has not; with `asPrompt` also one that it has, but not as a prompt. */
  async #tell(
    id: number,
    frame: number,
    mask: string,
    size: Size,
    signal: AbortSignalLike,
    asPrompt = false,
  ): Promise<void> {
    const held = this.#held.get(id)?.get(frame);
    if (held?.mask === mask && (held.isPrompt || !asPrompt)) return;
    await this.session.addMask({ object: id, frame, mask: decodeRle(rleOf(mask, size)) }, { signal });
    this.#hold(id, frame, { mask, objectScore: held?.mask === mask ? held.objectScore : null, isPrompt: true });
  }

  async #forget(id: number, signal: AbortSignalLike): Promise<void> {
    if (this.session.objectIds.includes(id)) await this.session.removeObject(id, { signal });
    this.#held.delete(id);
  }

  #hold(id: number, frame: number, held: Held): void {
    const frames = this.#held.get(id) ?? new Map<number, Held>();
    this.#held.set(id, frames.set(frame, held));
  }
}

/** What a tracker says of an object on a frame that it knows nothing of: core's `noObject`. */
const UNKNOWN = -1024;

function objectOf({ objects }: FrameResult, id: number): VideoObject {
  const object = objects.find((one) => one.id === id);
  if (object === undefined) {
    throw new EditorError("no-object", `the tracker left out object ${id}, which it was asked for`, {
      details: { object: id },
    });
  }
  return object;
}

/** What is to be seen of an object on a frame. */
function shownOn(object: VideoEditorObject | undefined, frame: number, size: Size): string | undefined {
  const mask = object?.frames[frame]?.mask;
  return mask === undefined || isEmpty(mask, size) ? undefined : mask;
}

/** The masks of the frames that a person made, by frame; of what is not to be seen a tracker cannot be told. */
function promptMasks({ frames }: VideoEditorObject, size: Size): Map<number, string> {
  return new Map(
    Object.entries(frames).flatMap(([frame, { mask, prompt }]) =>
      prompt === null || isEmpty(mask, size) ? [] : [[Number(frame), mask] as const],
    ),
  );
}
