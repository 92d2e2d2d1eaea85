/**
 * The editor of a video without a screen. It is the editor of a picture at every frame: what is done to the current
 * frame's objects becomes a step of the video. Between them, a tracker follows the objects from frame to frame.
 */
import {
  type CompressedRle,
  decodeRle,
  type ImagePrediction,
  type Mask,
  StateError,
  type TrackingSession,
} from "@masklet/core";
import { Abort, checkKeys, type Keys } from "@masklet/core/backend";
import { same } from "../changes.ts";
import { checkNumber } from "../check.ts";
import type { EditorPrompt } from "../document.ts";
import { EditorError } from "../errors.ts";
import { History, readSaved, type StepKind, type StepOrigin } from "../history.ts";
import { Listeners } from "../listeners.ts";
import type { ObjectEngine } from "../prompt.ts";
import { EditorSession, type SessionEvent } from "../session.ts";
import { rleOf, type Step } from "../step.ts";
import {
  checkVideoReferences,
  emptyVideo,
  frameDocument,
  mergedFrames,
  parseVideoDocument,
  promptedFrames,
  type VideoEditorDocument,
  type VideoEditorObject,
  type VideoSize,
  withFrame,
} from "./document.ts";
import { driftFrames } from "./drift.ts";
import { TrackingRun, type TrackingState } from "./run.ts";
import {
  applyVideoStep,
  changesBetween,
  invertVideoStep,
  parseVideoStep,
  type VideoChange,
  type VideoStep,
} from "./step.ts";
import { Tracking } from "./tracking.ts";

export interface VideoSessionOptions {
  /** What follows objects, of this video: of a `VideoPredictor`, or of its remote client. May come later. */
  readonly tracking?: TrackingSession;
  /** Steps that undo remembers. Default 1000; 0 where the host has an undo of its own and calls `take`. */
  readonly historyLimit?: number;
}

export interface TrackOptions {
  /** The frame to start from. Default: the current one. */
  readonly start?: number;
  /** How many frames at most. Default: all to the end. */
  readonly count?: number;
  /** Whether to go backwards. Default false. */
  readonly reverse?: boolean;
}

export type VideoSessionEvent =
  | { readonly type: "step"; readonly step: VideoStep; readonly origin: StepOrigin }
  /** Another frame is the current one. */
  | { readonly type: "frame"; readonly frame: number }
  /** Tracking has begun, has done a frame, or has ended (`null`); the step comes when it has. */
  | { readonly type: "tracking"; readonly tracking: TrackingState | null }
  | Extract<SessionEvent, { readonly type: "selection" | "pending" | "error" }>;

/** A session as plain data, for JSON. */
export interface SavedVideoSession {
  readonly version: 1;
  readonly document: VideoEditorDocument;
  readonly frame: number;
  readonly selected: number | null;
  readonly activeClass: string | null;
  /** Steps that undo takes back, the last one first to go. */
  readonly past: readonly VideoStep[];
  /** Steps that redo does again, the last one first. */
  readonly future: readonly VideoStep[];
}

/**
 * Edits the objects of one video. `frameEditor` has the current frame: prompts, brush, classes and all else are its
 * commands, and come out of this session as steps with inverses. `track` follows the objects from there; it never changes
 * a frame that a person has prompted or edited.
 *
 * Commands end the tracking under way: what it has done until then is a step. What the tracker is asked follows from the
 * document and from what it was asked before, so that the same commands give the same masks.
 */
export class VideoEditorSession {
  /** The current frame's objects, as a picture's. Its own undo is empty: this session has it. */
  readonly frameEditor: EditorSession;
  #document: VideoEditorDocument;
  #frame = 0;
  readonly #history: History<VideoEditorDocument, VideoStep>;
  #tracking: Tracking | undefined;
  #run: TrackingRun | undefined;
  #asking: Abort | undefined;
  readonly #engine: ObjectEngine = { predictObject: (id, prompt) => this.#predict(id, prompt) };
  readonly #listeners = new Listeners<VideoSessionEvent>();

  /**
   * `document` is a video's size and length, or a document from before. Throws an `EditorError` "document-malformed" or
   * "editor-option".
   */
  constructor(document: VideoSize | VideoEditorDocument, options: VideoSessionOptions = {}) {
    checkKeys("VideoEditorSession", options, sessionKeys);
    const { tracking, historyLimit = 1000 } = options;
    checkNumber("VideoEditorSession", { historyLimit }, 0, Number.MAX_SAFE_INTEGER);
    const given: Partial<VideoEditorDocument> = document ?? {}; // untyped JavaScript may give none
    this.#document = given.objects === undefined ? emptyVideo(given as VideoSize) : parseVideoDocument(given);
    const owner = {
      document: () => this.#document,
      show: (shown: VideoEditorDocument, { frame }: VideoStep, origin: StepOrigin) =>
        this.#show(shown, origin === "undo" || origin === "redo" ? frame : null),
      emit: (step: VideoStep, origin: StepOrigin) => this.#emit({ type: "step", step, origin }),
    };
    this.#history = new History(stepKind, owner, historyLimit);
    this.frameEditor = new EditorSession(frameDocument(this.#document, 0), { historyLimit: 0 });
    this.frameEditor.subscribe((event) => this.#changed(event));
    this.tracking = tracking;
  }

  /**
   * A session as `save` gave it. Throws an `EditorError`: "document-malformed", "step-malformed", or "conflict" where
   * history does not lead to the document.
   */
  static load(saved: unknown, options: VideoSessionOptions = {}): VideoEditorSession {
    const { read, fields, document, selected, activeClass } = readSaved(saved, parseVideoDocument);
    const session = new VideoEditorSession(document, options);
    session.#history.load(read, fields);
    session.seek(read.integer("session.frame", fields["frame"], 0, document.count - 1));
    session.frameEditor.setClass(activeClass);
    session.select(selected);
    return session;
  }

  /**
   * The session as plain data, which `load` goes on from. What the tracker remembers is not in it: the next one is shown
   * what a person has shown, and where tracking goes on, what was tracked there.
   */
  save(): SavedVideoSession {
    const { selected, activeClass } = this.frameEditor;
    return { version: 1, document: this.#document, frame: this.#frame, selected, activeClass, ...this.#history.saved };
  }

  /** As `EditorSession.subscribe`. */
  subscribe(listener: (event: VideoSessionEvent) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** As it is now, with what the tracking under way has done; later changes make a new one. */
  get document(): VideoEditorDocument {
    return this.#document;
  }

  /** The number of the current frame, from 0. */
  get frame(): number {
    return this.#frame;
  }

  /** The selected object's id. */
  get selected(): number | null {
    return this.frameEditor.selected;
  }

  /**
   * What follows objects. Setting it ends the tracking under way and gives up prompts that wait; a new one is shown what
   * the document has before it is asked. Whoever made it disposes of it.
   */
  get tracking(): TrackingSession | undefined {
    return this.#tracking?.session;
  }

  set tracking(tracking: TrackingSession | undefined) {
    this.stop();
    this.#asking?.abort(superseded("another tracker was set"));
    this.#tracking = tracking && new Tracking(tracking);
    this.frameEditor.engine = tracking && this.#engine;
  }

  /** Tracking under way; `null` if there is none. */
  get trackingState(): TrackingState | null {
    return this.#run?.state ?? null;
  }

  /** The step that `undo` takes back. */
  get undoStep(): VideoStep | undefined {
    return this.#history.undoStep;
  }

  /** The step that `redo` does again. */
  get redoStep(): VideoStep | undefined {
    return this.#history.redoStep;
  }

  /** Throws an `EditorError` "no-object". */
  object(id: number): VideoEditorObject {
    const object = this.#document.objects.find((one) => one.id === id);
    if (object !== undefined) return object;
    throw new EditorError("no-object", `there is no object ${id}`, { details: { object: id } });
  }

  /** An object's run lengths on a frame, for files; `undefined` where nothing is known of it. Throws as `object`. */
  rle(id: number, frame: number): CompressedRle | undefined {
    const known = this.object(id).frames[frame];
    return known && rleOf(known.mask, this.#document);
  }

  /** An object's mask on a frame; `undefined` where nothing is known of it. Throws as `object`. */
  mask(id: number, frame: number): Mask | undefined {
    const rle = this.rle(id, frame);
    return rle && decodeRle(rle);
  }

  /** The frames where a person prompted or edited an object, or any of them, ascending. Throws as `object`. */
  promptedFrames(id?: number): readonly number[] {
    return promptedFrames(id === undefined ? this.#document.objects : [this.object(id)]);
  }

  /**
   * The tracked frames of an object, or of any of them, that are worth a look, ascending: against the frame before, the score
   * has fallen by more than 0.15 or below 0.5, the area has changed by more than two fifths, nothing of the object is where it
   * was, or it has come or gone. Throws as `object`.
   */
  driftFrames(id?: number): readonly number[] {
    return driftFrames(this.#document, id === undefined ? undefined : this.object(id).id);
  }

  /**
   * Makes another frame the current one; prompts that wait are given up. Tracking goes on. Throws an `EditorError`
   * "editor-option".
   */
  seek(frame: number): void {
    checkNumber("seek", { frame }, 0, this.#document.count - 1);
    if (frame === this.#frame) return;
    this.#asking?.abort(superseded("another frame was shown"));
    this.#frame = frame;
    this.frameEditor.replace(frameDocument(this.#document, frame));
    this.#emit({ type: "frame", frame });
  }

  /** As `EditorSession.select`. */
  select(id: number | null): void {
    this.frameEditor.select(id);
  }

  /**
   * Follows the objects from a frame on, until the video ends or another command does. -> the step, once it is over;
   * `undefined` where nothing has changed. Objects without a mask on that frame and without prompts are left out.
   *
   * Rejects with an `EditorError`: "no-engine", "nothing-to-track"; or with the tracker's error. What was done until then
   * stays.
   */
  async track(options: TrackOptions = {}): Promise<VideoStep | undefined> {
    checkKeys("track", options, trackKeys);
    const { start = this.#frame, count, reverse = false } = options;
    checkNumber("track", { start }, 0, this.#document.count - 1);
    if (count !== undefined) checkNumber("track", { count }, 1, Number.MAX_SAFE_INTEGER);
    const tracking = this.#tracker("track");
    this.stop();
    this.frameEditor.cancelPrompts();
    const run = new TrackingRun(start, reverse);
    this.#run = run;
    this.#emit({ type: "tracking", tracking: run.state });
    try {
      const { signal } = run.abort;
      if (!(await tracking.prepare(this.#document, start, { signal }))) {
        throw new EditorError("nothing-to-track", "track: no object is shown on this frame or was shown on another", {
          details: { frame: start },
        });
      }
      const frames = tracking.session.propagate({ start, reverse, signal, ...(count !== undefined && { count }) });
      for await (const result of frames) {
        if (this.#run !== run) break;
        this.#show(run.add(this.#document, result.frame, tracking.found(result)), null);
        this.#emit({ type: "tracking", tracking: run.state });
      }
    } catch (error) {
      if (this.#run === run) {
        this.stop();
        this.#emit({ type: "error", error });
        throw error;
      }
    }
    return this.#run === run ? this.stop() : run.step;
  }

  /** Ends the tracking under way: what it has done is a step. */
  stop(): VideoStep | undefined {
    const run = this.#run;
    if (run === undefined) return undefined;
    this.#run = undefined;
    run.abort.abort(superseded("tracking was stopped"));
    const { step } = run;
    if (step !== undefined) this.#history.add(step);
    this.#emit({ type: "tracking", tracking: null });
    if (step !== undefined) this.#emit({ type: "step", step, origin: "command" });
    return step;
  }

  /**
   * Takes back all that is known of an object on a frame, whether a person made it or the tracker; an object that is left
   * on no frame is removed. Throws as `object`, and an `EditorError` "editor-option".
   */
  clearFrame(id: number, frame: number = this.#frame): VideoStep | undefined {
    checkNumber("clearFrame", { frame }, 0, this.#document.count - 1);
    this.stop();
    const object = this.object(id);
    const before = object.frames[frame];
    if (before === undefined) return undefined;
    const index = this.#document.objects.indexOf(object);
    const change: VideoChange =
      Object.keys(object.frames).length === 1
        ? { kind: "object", index, before: object, after: null }
        : { kind: "frame", id, frame, before, after: null };
    return this.#history.do({ name: "clear-frame", object: id, frame, count: 1, changes: [change] });
  }

  /**
   * Takes the last step back, shows the frame it was made on, and gives the step that did so; prompts that wait are given
   * up first, and that was it. Throws an `EditorError` "conflict" where a step that was taken from elsewhere stands in its
   * way.
   */
  undo(): VideoStep | undefined {
    if (this.frameEditor.pending.length > 0) {
      this.frameEditor.cancelPrompts();
      return undefined;
    }
    this.stop();
    return this.#history.undo();
  }

  /** Does the step again that `undo` took back last. Throws as `undo`. */
  redo(): VideoStep | undefined {
    this.stop();
    return this.#history.redo();
  }

  /**
   * A step from the host: one of its own undo stack (`invertVideoStep` of it to take it back), or another view's. It does
   * not enter this session's history. Throws an `EditorError`: "step-malformed", or "conflict" where it does not fit the
   * document as it is.
   */
  take(step: VideoStep): void {
    this.stop();
    this.#history.take(step);
  }

  /** Shows a document, and a frame if one is given. */
  #show(document: VideoEditorDocument, frame: number | null): void {
    this.#document = document;
    if (frame !== null && frame !== this.#frame) {
      this.seek(frame);
      return;
    }
    const now = frameDocument(document, this.#frame);
    // What waits for the model is given up only where something else has come.
    if (!same(now, this.frameEditor.document)) this.frameEditor.replace(now);
  }

  /** What the frame's editor says. */
  #changed(event: SessionEvent): void {
    if (event.type === "step") this.#edited(event.step);
    else if (event.type !== "document") this.#emit(event);
  }

  /** A step on the current frame, which its editor has done already. */
  #edited({ name, object, count }: Step): void {
    this.stop();
    const frame = this.#frame;
    const edited = this.frameEditor.document;
    const objectScoreOf = (id: number, mask: string): number | null =>
      this.#tracking?.objectScore(id, frame, mask) ?? null;
    const before = this.#document;
    let after = withFrame(before, frame, edited, objectScoreOf);
    if (name === "merge" && object !== null) {
      const gone = before.objects.filter(({ id }) => !after.objects.some((one) => one.id === id));
      const objects = after.objects.map((one) => (one.id === object ? mergedFrames(one, gone, frame, before) : one));
      after = { ...after, objects };
    }
    const changes = changesBetween(before, after);
    if (changes.length > 0) this.#history.do({ name, object, frame, count, changes });
  }

  async #predict(id: number, prompt: EditorPrompt): Promise<Pick<ImagePrediction, "masks" | "iouPredictions">> {
    const tracking = this.#tracker("predict");
    this.stop();
    this.#asking?.abort(superseded("predict: a newer prompt has come"));
    const asking = new Abort();
    this.#asking = asking;
    const { mask, score } = await tracking.prompt(this.#document, id, this.#frame, prompt, { signal: asking.signal });
    return { masks: [mask], iouPredictions: [score] };
  }

  #tracker(where: string): Tracking {
    if (this.#tracking !== undefined) return this.#tracking;
    throw new EditorError("no-engine", `${where}: there is no tracker yet`);
  }

  #emit(event: VideoSessionEvent): void {
    this.#listeners.emit(event);
  }
}

function superseded(why: string): StateError {
  return new StateError("superseded", why);
}

const stepKind: StepKind<VideoEditorDocument, VideoStep> = {
  parse: parseVideoStep,
  apply: applyVideoStep,
  invert: invertVideoStep,
  checkReferences: checkVideoReferences,
};
const sessionKeys: Keys<VideoSessionOptions> = { tracking: true, historyLimit: true };
const trackKeys: Keys<TrackOptions> = { start: true, count: true, reverse: true };
