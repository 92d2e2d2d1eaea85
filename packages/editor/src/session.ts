/**
 * The editor without a screen: a state machine whose every change is a `Step` with an inverse. It owns no storage and
 * no model: hosts keep what it emits and hand it back, and an engine answers its prompts.
 */
import {
  type CompressedRle,
  type Cutout,
  type CutoutOptions,
  decodeRle,
  fillMaskHoles,
  growMask,
  type Label,
  type Mask,
  type Point,
  type PromptBox,
  type RawImage,
  type RegionOptions,
  type Ring,
  type Rle,
  removeMaskSpecks,
  ringRle,
  type Size,
  smoothMask,
  strokeRle,
} from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { checkNumber } from "./check.ts";
import {
  checkReferences,
  type EdgeSettings,
  type EditorClass,
  type EditorDocument,
  type EditorObject,
  type EditorPrompt,
  emptyDocument,
  type ObjectState,
  parseDocument,
  pointsOf,
} from "./document.ts";
import {
  added,
  addedFrom,
  checkClass,
  edited,
  merged,
  type NewObject,
  reclassed,
  remasked,
  removed,
  split,
} from "./edits.ts";
import { EditorError } from "./errors.ts";
import { History, readSaved, type StepKind, type StepOrigin } from "./history.ts";
import { Listeners } from "./listeners.ts";
import { combine, cutoutWith, editArea, emptyMask, encodeMask, isEmpty, reshaped, ringsOf } from "./masks.ts";
import {
  askEngine,
  clicksAlong,
  type ObjectEngine,
  type PromptEngine,
  promptOf,
  type Scored,
  withPoints,
} from "./prompt.ts";
import { type PendingPrompt, PromptQueue, type Waiting } from "./queue.ts";
import { applyStep, type Change, fieldsChange, invertStep, parseStep, rleOf, type Step } from "./step.ts";

export interface SessionOptions {
  /** What answers prompts, once the picture is set there. May come later. */
  readonly engine?: PromptEngine | ObjectEngine;
  /** Steps that undo remembers. Default 1000; 0 where the host has an undo of its own and calls `take`. */
  readonly historyLimit?: number;
}

export type SessionEvent =
  | { readonly type: "step"; readonly step: Step; readonly origin: StepOrigin }
  | { readonly type: "selection"; readonly selected: number | null }
  /** Another document is shown: see `replace`. */
  | { readonly type: "document" }
  | { readonly type: "pending"; readonly pending: readonly PendingPrompt[] }
  /** A prompt that failed; whoever made it gets the same error. */
  | { readonly type: "error"; readonly error: unknown };

/** A session as plain data, for JSON. */
export interface SavedSession {
  readonly version: 1;
  readonly document: EditorDocument;
  readonly selected: number | null;
  readonly activeClass: string | null;
  /** Steps that undo takes back, the last one first to go. */
  readonly past: readonly Step[];
  /** Steps that redo does again, the last one first. */
  readonly future: readonly Step[];
}

/** Whether a stroke or ring belongs to the object or is taken from it. */
export type PaintMode = "add" | "erase";

/**
 * Edits the objects of one picture. Commands work on the selected object; where none is, prompts and the brush begin a
 * new one. A command that changes nothing is no step.
 *
 * Prompts are asked of the engine with `latest`: those that come while it works join in one request and one step. What is
 * asked follows from the document alone, so that the same commands give the same masks after undo, and after a session
 * was saved and loaded. Changing an object gives up the prompt that is waiting for it.
 */
export class EditorSession {
  #document: EditorDocument;
  #engine: PromptEngine | ObjectEngine | undefined;
  #selected: number | null = null;
  #activeClass: string | null = null;
  /** Goes up whenever the mask that a click would give may be another one. */
  #moment = 0;
  readonly #history: History<EditorDocument, Step>;
  readonly #queue = new PromptQueue({
    ask: ({ object: id, prompt }) => {
      const object = id === null ? undefined : this.#object("predict", id);
      return askEngine(this.#engineFor("predict"), this.#document, object, prompt);
    },
    commit: (waiting, prediction, isOpen) => {
      const step = this.#commit(waiting, prediction);
      // A new object is selected unless the person has turned to something else.
      if (isOpen && this.#selected === null && step?.object) this.#setSelected(step.object);
      return step;
    },
    changed: () => this.#emit({ type: "pending", pending: this.pending }),
    failed: (error) => this.#emit({ type: "error", error }),
  });
  readonly #listeners = new Listeners<SessionEvent>();

  /**
   * `document` is a picture's size, or a document from before. Throws an `EditorError` "document-malformed" or
   * "editor-option".
   */
  constructor(document: Size | EditorDocument, options: SessionOptions = {}) {
    checkKeys("EditorSession", options, sessionKeys);
    const { engine, historyLimit = 1000 } = options;
    checkNumber("EditorSession", { historyLimit }, 0, Number.MAX_SAFE_INTEGER);
    const given: Partial<EditorDocument> = document ?? {}; // untyped JavaScript may give none
    this.#document = given.objects === undefined ? emptyDocument(given as Size) : parseDocument(given);
    this.#engine = engine;
    const owner = {
      document: () => this.#document,
      show: (document: EditorDocument, step: Step) => this.#show(document, step),
      emit: (step: Step, origin: StepOrigin) => this.#emit({ type: "step", step, origin }),
    };
    this.#history = new History(stepKind, owner, historyLimit);
  }

  /**
   * A session as `save` gave it. Throws an `EditorError`: "document-malformed", "step-malformed", or "conflict" where
   * history does not lead to the document.
   */
  static load(saved: unknown, options: SessionOptions = {}): EditorSession {
    const { read, fields, document, selected, activeClass } = readSaved(saved, parseDocument);
    const session = new EditorSession(document, options);
    session.#history.load(read, fields);
    if (selected !== null) session.#object("load", selected);
    checkClass("load", document, activeClass);
    session.#selected = selected;
    session.#activeClass = activeClass;
    return session;
  }

  /** The session as plain data: `load` makes one of it that goes on as this one would. Prompts that wait are left out. */
  save(): SavedSession {
    return {
      version: 1,
      document: this.#document,
      selected: this.#selected,
      activeClass: this.#activeClass,
      ...this.#history.saved,
    };
  }

  /**
   * Calls `listener` after every change, until the function it returns is called. What a listener throws is reported as an
   * unhandled rejection: the command, and other listeners, go on.
   */
  subscribe(listener: (event: SessionEvent) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** As it is now; later changes make a new one. */
  get document(): EditorDocument {
    return this.#document;
  }

  /** What answers prompts. Those that wait are given up when it is set. */
  get engine(): PromptEngine | ObjectEngine | undefined {
    return this.#engine;
  }

  set engine(engine: PromptEngine | ObjectEngine | undefined) {
    this.#queue.giveUp();
    this.#engine = engine;
    this.#moment++;
  }

  /** The selected object's id. */
  get selected(): number | null {
    return this.#selected;
  }

  /** The class that new objects get: the one set last. */
  get activeClass(): string | null {
    return this.#activeClass;
  }

  /** Prompts that wait for the model, the one it works on first. */
  get pending(): readonly PendingPrompt[] {
    return this.#queue.waiting;
  }

  /** The step that `undo` takes back. */
  get undoStep(): Step | undefined {
    return this.#history.undoStep;
  }

  /** The step that `redo` does again. */
  get redoStep(): Step | undefined {
    return this.#history.redoStep;
  }

  /** Throws an `EditorError` "no-object". */
  object(id: number): EditorObject {
    return this.#object("object", id);
  }

  /** An object's run lengths, for files. Throws as `object`. */
  rle(id: number): CompressedRle {
    return rleOf(this.#object("rle", id).mask, this.#document);
  }

  /** An object's mask. Throws as `object`. */
  mask(id: number): Mask {
    return decodeRle(this.rle(id));
  }

  /** An object cut out of the picture with its own edge settings. Throws as `object`, and as core's `cutout`. */
  cutout(image: RawImage, id: number, options: Omit<CutoutOptions, "feather"> = {}): Cutout {
    return cutoutWith(image, this.mask(id), this.#object("cutout", id).edge, options);
  }

  /** Selects an object, or none: the next prompt then begins a new one. Throws as `object`. */
  select(id: number | null): void {
    if (id !== null) this.#object("select", id);
    this.#queue.close();
    this.#setSelected(id);
  }

  /** A click: 1 on the object, 0 not on it. As `setBox`. */
  addPoint(point: Point, label: Label = 1): Promise<Step | undefined> {
    return this.#ask("addPoint", [point], (prompt) => withPoints(prompt, [point], label));
  }

  /** A stroke over the object, or beside it with label 0: a few clicks along it. As `setBox`. */
  addScribble(points: readonly Point[], label: Label = 1): Promise<Step | undefined> {
    return this.#ask("addScribble", points, (prompt) => withPoints(prompt, clicksAlong(points), label));
  }

  /**
   * A box around the object, in place of the one before. Resolves with the step, which may hold other prompts too; with
   * `undefined` where the prompt was given up. Rejects with an `EditorError`: "no-engine", "out-of-image",
   * "nothing-found" for an empty mask; or with the engine's error. Nothing has changed then.
   */
  setBox(box: PromptBox): Promise<Step | undefined> {
    const [x0, y0, x1, y1] = box;
    const corners: readonly Point[] = [
      [x0, y0],
      [x1, y1],
    ];
    return this.#ask("setBox", corners, (prompt) => ({ ...prompt, box }));
  }

  /** A ring around the object, roughly, in place of the one before. As `setBox`. */
  setLasso(ring: Ring): Promise<Step | undefined> {
    return this.#ask("setLasso", pointsOf(ring), (prompt) => ({ ...prompt, lasso: ring }));
  }

  /** Takes a click of the selected object's prompt back. As `setBox`; an object whose last prompt it was is removed. */
  async removePoint(index: number): Promise<Step | undefined> {
    const object = this.#target("removePoint");
    const { id } = object;
    const { prompt } = this.pending.find((one) => one.object === id) ?? object;
    checkNumber("removePoint", { index }, 0, prompt.points.length - 1);
    const points = prompt.points.toSpliced(index, 1);
    const rest: EditorPrompt = { ...prompt, points, labels: prompt.labels.toSpliced(index, 1) };
    if (points.length > 0 || prompt.box !== null || prompt.lasso !== null)
      return this.#ask("removePoint", [], () => rest);
    if (!prompt.isRefinement) return this.remove(id);
    return this.#do("prompt", id, fieldsChange(object, { prompt: rest, candidates: [], candidate: null }));
  }

  /**
   * The mask that a click would give, without making it. `undefined` while a prompt waits, and where it is out of date
   * when it comes: a newer call has come, or another document, selection or engine. Rejects as `addPoint`.
   */
  async preview(point: Point, label: Label = 1): Promise<CompressedRle | undefined> {
    this.#checkPoints("preview", [point]);
    const object = this.#selected === null ? undefined : this.#object("preview", this.#selected);
    const engine = this.#engineFor("preview");
    if (this.pending.length > 0 || "predictObject" in engine) return undefined;
    const moment = ++this.#moment;
    const isOver = (): boolean => moment !== this.#moment || this.pending.length > 0;
    try {
      const prediction = await askEngine(engine, this.#document, object, withPoints(promptOf(object), [point], label));
      const { masks, best } = prediction;
      return isOver() ? undefined : rleOf(encodeMask(masks[best] as Mask), this.#document);
    } catch (error) {
      if (isOver() || isSuperseded(error)) return undefined;
      throw error;
    }
  }

  /** Gives up the prompts that wait. */
  cancelPrompts(): void {
    this.#queue.giveUp();
  }

  /** Takes another of the selected object's candidates. Throws an `EditorError` "nothing-selected" or "editor-option". */
  chooseCandidate(index: number): Step | undefined {
    const object = this.#target("chooseCandidate");
    checkNumber("chooseCandidate", { index }, 0, object.candidates.length - 1);
    if (index === object.candidate) return undefined;
    const { mask, score } = object.candidates[index] as EditorObject["candidates"][number];
    const prompt = { ...object.prompt, isRefinement: true };
    return this.#do(
      "candidate",
      object.id,
      remasked(this.#document, object, mask, { prompt, score, candidate: index }),
    );
  }

  /**
   * Paints a stroke of the brush, or erases it: the pixels whose centres lie within `radius` of the line. Throws an
   * `EditorError` "nothing-selected" when there is nothing to erase from, and as core's `strokeRle`.
   */
  paintStroke(points: readonly Point[], radius: number, mode: PaintMode = "add"): Step | undefined {
    return this.#paint("paintStroke", strokeRle(points, radius, this.#document), mode);
  }

  /** Paints or erases the pixels in a ring. Throws as `paintStroke`, and as core's `rasterise`. */
  paintRing(ring: Ring, mode: PaintMode = "add"): Step | undefined {
    return this.#paint("paintRing", ringRle(ring, this.#document), mode);
  }

  /** Moves the edge outwards by so many pixels, inwards if negative. Throws "nothing-selected", or as core's `growMask`. */
  grow(pixels: number): Step | undefined {
    const reach = Math.max(0, pixels) + 1;
    return this.#edit(pixels < 0 ? "shrink" : "grow", reach, (mask) => growMask(mask, pixels));
  }

  /** Rounds the edge off. Throws "nothing-selected", or as core's `smoothMask`. */
  smooth(radius: number): Step | undefined {
    return this.#edit("smooth", Math.ceil(3 * radius), (mask) => smoothMask(mask, radius));
  }

  /** Throws "nothing-selected", or as core's `fillMaskHoles`. */
  fillHoles(options: RegionOptions = {}): Step | undefined {
    return this.#edit("fill-holes", 1, (mask) => fillMaskHoles(mask, options));
  }

  /** Throws "nothing-selected", or as core's `removeMaskSpecks`. */
  removeSpecks(options: RegionOptions = {}): Step | undefined {
    return this.#edit("remove-specks", 0, (mask) => removeMaskSpecks(mask, options));
  }

  /**
   * The rings around the selected object, holes too, in the picture's pixels; corners within `tolerance` pixels of a
   * straight line are left out. Throws "nothing-selected", or as core's `maskRegions`.
   */
  outline(tolerance = 1): readonly Ring[] {
    return ringsOf(rleOf(this.#target("outline").mask, this.#document), { tolerance });
  }

  /**
   * Moves the selected object's edge from the rings that `outline` gave to others: corners moved, added or left out; what an
   * odd number of rings is around is inside. Pixels change between the two and within `tolerance` of edges that moved; all others stay as they are. Throws
   * "nothing-selected", "editor-option", or as core's `ringRle`.
   */
  reshape(before: readonly Ring[], after: readonly Ring[], tolerance = 1): Step | undefined {
    const object = this.#target("reshape");
    checkNumber("reshape", { tolerance }, 0, 4096, false);
    const mask = reshaped(object.mask, before, after, tolerance + 0.5, this.#document);
    return this.#do("reshape", object.id, edited(this.#document, object, mask));
  }

  /** What is outside becomes the object. Throws "nothing-selected". */
  invert(): Step | undefined {
    const object = this.#target("invert");
    const { width, height } = this.#document;
    const whole = { size: [height, width], counts: [0, width * height] } as const;
    return this.#do(
      "invert",
      object.id,
      edited(this.#document, object, combine(object.mask, whole, "xor", this.#document)),
    );
  }

  /** Makes each part an object; the largest stays the one it is. Throws "nothing-selected". */
  split(): Step | undefined {
    const object = this.#target("split");
    const changes = split(this.#document, object);
    return this.#do("split", object.id, changes, 1 + changes.filter(({ kind }) => kind === "object").length);
  }

  /** Makes one object of several; the first keeps its name, class, state and edge. Throws "no-object" or "editor-option". */
  merge(ids: readonly number[]): Step | undefined {
    const [first, ...others] = [...new Set(ids)].map((id) => this.#object("merge", id));
    if (first === undefined || others.length === 0) {
      throw new EditorError("editor-option", `merge: two objects at least, got ${ids.length}`, { details: { ids } });
    }
    const changes = merged(this.#document, first, others);
    const step = this.#do("merge", first.id, changes, others.length + 1);
    this.select(first.id);
    return step;
  }

  /** How the object's edge is cut. Throws "nothing-selected" or "editor-option". */
  setEdge(edge: Partial<EdgeSettings>): Step | undefined {
    checkKeys("setEdge", edge, edgeKeys);
    const object = this.#target("setEdge");
    const { feather = object.edge.feather, decontaminate = object.edge.decontaminate } = edge;
    checkNumber("setEdge", { feather }, 0, 4096, false);
    checkNumber("setEdge", { decontaminate }, 0, 4096);
    return this.#do("edge", object.id, fieldsChange(object, { edge: { feather, decontaminate } }));
  }

  /**
   * Sets the class of the selected object, if there is one, and of those to come; `null` for none. Throws an `EditorError`
   * "no-class" for one that the document does not have.
   */
  setClass(name: string | null): Step | undefined {
    checkClass("setClass", this.#document, name);
    this.#activeClass = name;
    if (this.#selected === null) return undefined;
    return this.#do("class", this.#selected, fieldsChange(this.#target("setClass"), { class: name }));
  }

  /**
   * The classes there are, in their order. Objects of a class that is not among them any more have none; `renamed` says
   * which one is another's new name, as [before, after]. Throws an `EditorError` "document-malformed".
   */
  setClasses(
    classes: readonly EditorClass[],
    renamed: readonly (readonly [before: string, after: string])[] = [],
  ): Step | undefined {
    const { changes, now } = reclassed(this.#document, classes, renamed);
    this.#activeClass = now(this.#activeClass);
    return this.#do("classes", null, changes);
  }

  /** Names the selected object; `null` takes its name. Throws "nothing-selected". */
  rename(name: string | null): Step | undefined {
    const object = this.#target("rename");
    return this.#do("rename", object.id, fieldsChange(object, { name }));
  }

  /** Accepts objects, or makes drafts of them. Throws "no-object". */
  setState(state: ObjectState, ids: readonly number[]): Step | undefined {
    const objects = [...new Set(ids)].map((id) => this.#object("setState", id)).filter((one) => one.state !== state);
    const only = objects.length === 1 ? (objects[0] as EditorObject).id : null;
    const changes = objects.flatMap((object) => fieldsChange(object, { state }));
    return this.#do(state === "accepted" ? "accept" : "draft", only, changes, objects.length);
  }

  /** Moves an object in the list: later ones lie above. Throws "no-object" or "editor-option". */
  move(id: number, index: number): Step | undefined {
    const before = this.#document.objects.indexOf(this.#object("move", id));
    checkNumber("move", { index }, 0, this.#document.objects.length - 1);
    return this.#do("move", id, before === index ? [] : [{ kind: "place", id, before, after: index }]);
  }

  /** Throws "no-object". */
  remove(...ids: readonly number[]): Step | undefined {
    const objects = [...new Set(ids)].map((id) => this.#object("remove", id));
    const only = objects.length === 1 ? (objects[0] as EditorObject).id : null;
    return this.#do("remove", only, removed(this.#document, objects), objects.length);
  }

  /**
   * Adds objects from elsewhere, as one step. Throws an `EditorError` "no-class", or core's `MaskError` for what is no mask
   * of the picture's size.
   */
  addObjects(objects: readonly NewObject[]): Step | undefined {
    const only = objects.length === 1 ? this.#document.nextId : null;
    return this.#do("add", only, addedFrom(this.#document, objects), objects.length);
  }

  /**
   * Takes the last step back, and gives the step that did so; prompts that wait are given up first, and that was it.
   * Throws an `EditorError` "conflict" where a step that was taken from elsewhere stands in its way.
   */
  undo(): Step | undefined {
    if (this.pending.length > 0) {
      this.cancelPrompts();
      return undefined;
    }
    return this.#history.undo();
  }

  /** Does the step again that `undo` took back last. Throws as `undo`. */
  redo(): Step | undefined {
    return this.#history.redo();
  }

  /**
   * A step from the host: one of its own undo stack (`invertStep` of it to take it back), or another view's. It does not
   * enter this session's history. Throws an `EditorError`: "step-malformed", or "conflict" where it does not fit the
   * document as it is.
   */
  take(step: Step): void {
    this.#history.take(step);
  }

  /**
   * Shows another document of the same size, such as a video's at another frame. What is selected stays so if it is there;
   * prompts that wait are given up, and history begins anew. Throws an `EditorError` "editor-option" for another size.
   */
  replace(document: EditorDocument): void {
    const { width, height } = this.#document;
    if (document.width !== width || document.height !== height) {
      const got = `${document.width}x${document.height}`;
      throw new EditorError("editor-option", `replace: the document must be ${width}x${height}, got ${got}`, {
        details: { option: "document", expected: [width, height], got: [document.width, document.height] },
      });
    }
    this.#queue.giveUp();
    this.#document = document;
    this.#moment++;
    this.#history.clear();
    this.#keepReferences();
    this.#emit({ type: "document" });
  }

  #object(where: string, id: number): EditorObject {
    const object = this.#document.objects.find((one) => one.id === id);
    if (object !== undefined) return object;
    throw new EditorError("no-object", `${where}: there is no object ${id}`, { details: { object: id } });
  }

  #target(where: string): EditorObject {
    if (this.#selected !== null) return this.#object(where, this.#selected);
    throw new EditorError("nothing-selected", `${where}: no object is selected`);
  }

  #checkPoints(where: string, points: readonly Point[]): void {
    const { width, height } = this.#document;
    for (const [x, y] of points) {
      if (x >= 0 && y >= 0 && x <= width && y <= height) continue;
      throw new EditorError("out-of-image", `${where}: [${x}, ${y}] is outside the picture, ${width}x${height}`, {
        details: { point: [x, y], width, height },
      });
    }
  }

  #engineFor(where: string): PromptEngine | ObjectEngine {
    if (this.#engine !== undefined) return this.#engine;
    throw new EditorError("no-engine", `${where}: there is no engine yet to answer prompts`);
  }

  #edit(name: Step["name"], reach: number, edit: (mask: Mask) => Mask): Step | undefined {
    const object = this.#target(name);
    return this.#do(
      name,
      object.id,
      edited(this.#document, object, editArea(object.mask, this.#document, reach, edit)),
    );
  }

  #paint(where: string, shape: Rle, mode: PaintMode): Step | undefined {
    const document = this.#document;
    if (this.#selected === null && mode === "add") {
      const mask = combine(emptyMask(document), shape, "union", document);
      if (isEmpty(mask, document)) return undefined;
      const step = this.#do("brush", document.nextId, added(document, [{ mask, class: this.#activeClass }]));
      this.select(document.nextId);
      return step;
    }
    const object = this.#target(where);
    const mask = combine(object.mask, shape, mode === "add" ? "union" : "difference", document);
    return this.#do(mode === "add" ? "brush" : "erase", object.id, edited(document, object, mask));
  }

  #do(name: Step["name"], object: number | null, changes: readonly Change[], count = 1): Step | undefined {
    return changes.length === 0 ? undefined : this.#history.do({ name, object, count, changes });
  }

  /** Has the document that a step made: what waits for the objects that it changed is given up. */
  #show(document: EditorDocument, { changes }: Step): void {
    this.#document = document;
    this.#moment++;
    const touched = new Set(
      changes.flatMap((change) =>
        "id" in change ? [change.id] : change.kind === "object" ? [change.before?.id ?? change.after?.id] : [],
      ),
    );
    this.#queue.giveUp((object) => object !== null && touched.has(object));
    this.#keepReferences();
  }

  /** What is not in the document any more can be neither selected nor the class of what is to come. */
  #keepReferences(): void {
    const { objects, classes } = this.#document;
    if (!classes.some((one) => one.name === this.#activeClass)) this.#activeClass = null;
    if (!objects.some(({ id }) => id === this.#selected)) this.#setSelected(null);
  }

  #setSelected(selected: number | null): void {
    if (selected === this.#selected) return;
    this.#selected = selected;
    this.#moment++;
    this.#emit({ type: "selection", selected });
  }

  #emit(event: SessionEvent): void {
    this.#listeners.emit(event);
  }

  async #ask(
    where: string,
    points: readonly Point[],
    extend: (prompt: EditorPrompt) => EditorPrompt,
  ): Promise<Step | undefined> {
    this.#checkPoints(where, points);
    this.#engineFor(where);
    const object = this.#selected;
    return this.#queue.add(object, extend, () => promptOf(object === null ? undefined : this.#object(where, object)));
  }

  #commit({ object: id, prompt, count }: Waiting, { masks, scores, best }: Scored): Step | undefined {
    const offered = masks.map((mask, i) => ({ mask: encodeMask(mask), score: scores[i] as number }));
    const { mask, score } = offered[best] as (typeof offered)[number];
    if (isEmpty(mask, this.#document)) {
      throw new EditorError("nothing-found", "the model found nothing where the prompt shows");
    }
    const isChoice = offered.length > 1;
    const fields = { score, prompt, candidates: isChoice ? offered : [], candidate: isChoice ? best : null };
    const document = this.#document;
    if (id !== null) return this.#do("prompt", id, remasked(document, this.object(id), mask, fields), count);
    const changes = added(document, [{ mask, class: this.#activeClass, ...fields }]);
    return this.#do("prompt", document.nextId, changes, count);
  }
}

function isSuperseded(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "superseded";
}

const stepKind: StepKind<EditorDocument, Step> = {
  parse: parseStep,
  apply: applyStep,
  invert: invertStep,
  checkReferences,
};
const sessionKeys: Keys<SessionOptions> = { engine: true, historyLimit: true };
const edgeKeys: Keys<EdgeSettings> = { feather: true, decontaminate: true };
