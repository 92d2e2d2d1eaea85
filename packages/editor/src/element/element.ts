/**
 * `<masklet-editor>`: draws a session and listens to hands. What is done is done by the session; here are only the picture
 * on the screen, the tools, and the words.
 */
import {
  type CompressedRle,
  decodeRleAt,
  type Label,
  type Point,
  paletteColour,
  type RawImage,
  type Rgb,
  rleArea,
} from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { imageFrom, type WebImageSource } from "@masklet/core/web";
import type { EditorObject } from "../document.ts";
import { EditorError } from "../errors.ts";
import { EditorSession, type PendingPrompt, type PromptEngine, type SessionEvent } from "../session.ts";
import { type Step, stepText } from "../step.ts";
import { centred, fitView, keepInSight, panBy, reveal, toPicture, toStage, type View, zoomAt } from "../view.ts";
import { type EditorWords, editorWords, fillIn } from "../words.ts";
import { h, icon, icons, setAttribute, setText } from "./dom.ts";
import {
  type Backdrop,
  css as cssColour,
  type Display,
  type Mark,
  renderHand,
  renderPicture,
  type Scene,
  type ShownObject,
} from "./render.ts";
import { Shapes } from "./shapes.ts";
import { css } from "./style.ts";
import { Tiles } from "./tiles.ts";

/** What a hand does in the picture. */
export type EditorTool = "select" | "point" | "box" | "lasso" | "scribble" | "brush" | "erase";

/** An engine that is told the picture: an `ImagePredictor` of core, or its remote client. */
export interface PictureEngine extends PromptEngine {
  setImage(image: RawImage): Promise<void>;
}

export interface OpenOptions {
  /** The session to show, of the picture's size; a new one if not given. One that has an engine keeps it. */
  readonly session?: EditorSession;
}

/** How the engine stands to the picture. */
export type EngineState = "none" | "encoding" | "ready" | "failed";

/** The events of a `MaskletEditorElement`, by their names; all of them bubble. */
export interface MaskletEditorEvents {
  /** Every event of the session. */
  "masklet-session": CustomEvent<SessionEvent>;
  /** The engine has begun with the picture, knows it, or has failed. */
  "masklet-engine": CustomEvent<{ readonly state: EngineState }>;
  /** What went wrong, and is also said to the person. */
  "masklet-error": CustomEvent<{ readonly error: unknown }>;
}

const tools: readonly EditorTool[] = ["select", "point", "box", "lasso", "scribble", "brush", "erase"];
const displays: readonly Display[] = ["both", "fill", "outline", "none"];
const backdrops: readonly Backdrop[] = ["picture", "checker", "black", "white", "colour"];
const toolKeys: Readonly<Record<string, EditorTool>> = {
  v: "select",
  p: "point",
  x: "box",
  l: "lasso",
  s: "scribble",
  b: "brush",
  e: "erase",
};
/** CSS pixels that a pointer moves before a click is a drag. */
const DRAG = 6;
const ZOOM_STEP = 1.25;

/** A tool at work, from pointer down to up, or from Space to Space. */
interface Hand {
  readonly tool: EditorTool;
  readonly isNegative: boolean;
  readonly start: Point;
  /** In the picture's pixels. */
  readonly points: Point[];
  /** Where the pointer was last, on the stage. */
  at: Point;
  hasMoved: boolean;
}

/** Nothing to inherit from outside of a browser, where the module may be imported but not used. */
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * The editor as an element: `open` a picture, set an `engine`, and listen to "masklet-session". Attributes: `tool`,
 * `display`, `backdrop`, `theme` ("light" or "dark"; the system's if not given), `bare` (the picture alone). Custom properties, `--masklet-accent`
 * and the like, are in apps/docs/editor.md.
 */
export class MaskletEditorElement extends Base {
  static readonly observedAttributes: readonly string[] = ["tool", "display", "backdrop"];

  #session: EditorSession | undefined;
  #unsubscribe: () => void = () => {};
  #engine: PictureEngine | undefined;
  #engineState: EngineState = "none";
  #encoding = 0;
  #opening = 0;
  #words: EditorWords = editorWords;
  #tiles: Tiles | undefined;
  readonly #shapes = new Shapes();
  readonly #previews = new Shapes(4);
  readonly #hidden = new Set<number>();
  #filter: ((object: EditorObject) => boolean) | undefined;
  #hasHistory = true;
  readonly #marked = new Set<number>();

  #view: View = { scale: 1, x: 0, y: 0 };
  /** Until a person zooms or pans, the view follows the stage. */
  #isFitted = true;
  #ratio = 1;
  #frame = 0;
  /** Whether the picture has to be drawn again, not only what is above it. */
  #isStale = true;

  #tool: EditorTool = "point";
  #display: Display = "both";
  #backdrop: Backdrop = "picture";
  #isNegative = false;
  #isOriginal = false;
  #brush = 12;

  #hand: Hand | undefined;
  readonly #pointers = new Map<number, Point>();
  #isPanning = false;
  #isSpaceDown = false;
  /** Moved by the arrow keys; there once they are used. */
  #cursor: Point | undefined;
  #hover: Point | undefined;
  #preview: CompressedRle | undefined;
  #isPreviewing = false;
  #message = "";

  readonly #canvas = h("canvas", { "aria-hidden": "true" });
  readonly #context = this.#canvas.getContext("2d") as CanvasRenderingContext2D;
  /** Above the picture: what changes as a hand moves. */
  readonly #top = h("canvas", { "aria-hidden": "true" });
  readonly #topContext = this.#top.getContext("2d") as CanvasRenderingContext2D;
  readonly #stage = h("div", { class: "stage", role: "application", tabindex: 0 }, this.#canvas, this.#top);
  readonly #bar = h("div", { class: "bar" });
  readonly #list = h("ul");
  readonly #side = h("div", { class: "side" });
  readonly #status = h("span", { role: "status" });
  readonly #zoomText = h("span");
  readonly #live = h("span", { class: "quiet", role: "status" });
  /** Run after every change of what they show. */
  #updates: (() => void)[] = [];
  readonly #items = new Map<number, { readonly row: HTMLLIElement; readonly update: (object: EditorObject) => void }>();
  #unwatch = (): void => {};
  readonly #resized = new ResizeObserver((entries) => this.#resize(entries[0]));

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    root.adoptedStyleSheets = [sheet];
    const status = h("div", { class: "status" }, this.#status, this.#zoomText);
    root.append(h("div", { class: "frame" }, this.#bar, this.#stage, this.#side, status, this.#live));
    this.#listen();
    this.#build();
  }

  connectedCallback(): void {
    // What a page set before this module had loaded hides the accessors.
    for (const name of ["engine", "words", "tool", "display", "backdrop"] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Partial<MaskletEditorElement>)[name];
      Object.assign(this, { [name]: value });
    }
    try {
      this.#resized.observe(this.#stage, { box: "device-pixel-content-box" });
    } catch {
      this.#resized.observe(this.#stage); // Safari knows no device pixels
    }
    this.#watchRatio();
  }

  /** Moved to another screen, or zoomed, a page keeps its CSS size. */
  #watchRatio(): void {
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    const changed = (): void => {
      this.#resize();
      this.#watchRatio();
    };
    query.addEventListener("change", changed, { once: true });
    this.#unwatch = () => query.removeEventListener("change", changed);
  }

  disconnectedCallback(): void {
    this.#resized.disconnect();
    this.#unwatch();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    if (name === "tool" && isOneOf(tools, value)) this.tool = value;
    if (name === "display" && isOneOf(displays, value)) this.display = value;
    if (name === "backdrop" && isOneOf(backdrops, value)) this.backdrop = value;
  }

  /**
   * Shows a picture: pixels, or whatever core's `imageFrom` takes. Resolves once it is shown; the engine is told of it
   * then. Rejects as `imageFrom`, and with an `EditorError` "editor-option" for a session of another size; what was shown
   * stays then.
   */
  async open(picture: RawImage | WebImageSource, options: OpenOptions = {}): Promise<void> {
    checkKeys("open", options, openKeys);
    const opening = ++this.#opening;
    const image = isPixels(picture) ? picture : await imageFrom(picture);
    if (opening !== this.#opening) return; // another picture was opened in the meantime
    const session = options.session ?? new EditorSession({ width: image.width, height: image.height });
    const { width, height } = session.document;
    if (width !== image.width || height !== image.height) {
      throw new EditorError(
        "editor-option",
        `open: the session is of a ${width}x${height} picture, this one is ${image.width}x${image.height}`,
        { details: { option: "session", expected: [image.width, image.height], got: [width, height] } },
      );
    }
    this.#tiles = new Tiles(image);
    this.#unsubscribe();
    this.#session = session;
    this.#unsubscribe = session.subscribe((event) => this.#changed(event));
    this.#hidden.clear();
    this.#marked.clear();
    this.#drop();
    this.#cursor = undefined;
    this.#message = "";
    this.#fit();
    this.#update();
    void this.#encode();
  }

  /** What is edited; `undefined` before `open`. */
  get session(): EditorSession | undefined {
    return this.#session;
  }

  /** The picture's pixels; `undefined` before `open`. */
  get image(): RawImage | undefined {
    return this.#tiles?.image;
  }

  /** What answers prompts. It is told the picture, unless the session came with an engine that knows it. */
  get engine(): PictureEngine | undefined {
    return this.#engine;
  }

  set engine(engine: PictureEngine | undefined) {
    if (this.#session !== undefined && this.#session.engine === this.#engine) this.#session.engine = undefined;
    this.#engine = engine;
    void this.#encode();
  }

  get engineState(): EngineState {
    return this.#engineState;
  }

  /** Every word that is shown or said. Set those that you have; the others stay English. */
  get words(): EditorWords {
    return this.#words;
  }

  set words(words: Partial<EditorWords>) {
    this.#words = { ...editorWords, ...words, steps: { ...editorWords.steps, ...words.steps } };
    this.#build();
  }

  get tool(): EditorTool {
    return this.#tool;
  }

  set tool(tool: EditorTool) {
    this.#tool = tool;
    this.#drop();
    this.#update();
  }

  /** How objects are shown over the picture. */
  get display(): Display {
    return this.#display;
  }

  set display(display: Display) {
    this.#display = display;
    this.#update();
  }

  /** What is behind the objects. */
  get backdrop(): Backdrop {
    return this.#backdrop;
  }

  set backdrop(backdrop: Backdrop) {
    this.#backdrop = backdrop;
    this.#update();
  }

  /** Whether clicks and strokes say what is not on the object. */
  get notOnIt(): boolean {
    return this.#isNegative;
  }

  set notOnIt(isNegative: boolean) {
    this.#isNegative = isNegative;
    this.#preview = undefined;
    this.#update();
  }

  /** The brush's radius, in the picture's pixels. */
  get brushSize(): number {
    return this.#brush;
  }

  set brushSize(radius: number) {
    this.#brush = Math.min(500, Math.max(0.5, radius));
    this.#update();
  }

  /** Whether the picture is shown as it came. */
  get showsOriginal(): boolean {
    return this.#isOriginal;
  }

  set showsOriginal(isOriginal: boolean) {
    this.#isOriginal = isOriginal;
    this.#update();
  }

  /** Device pixels for each of the picture's. Setting it zooms around the stage's middle; `"fit"` shows all of the picture. */
  get zoom(): number {
    return this.#view.scale;
  }

  set zoom(zoom: number | "fit") {
    if (zoom === "fit") this.#fit();
    else this.#zoomBy(zoom / this.#view.scale);
  }

  /** Which objects are shown in the picture, besides those that a person has hidden; all without it. */
  get filter(): ((object: EditorObject) => boolean) | undefined {
    return this.#filter;
  }

  set filter(filter: ((object: EditorObject) => boolean) | undefined) {
    this.#filter = filter;
    this.#update();
  }

  /** Whether undo and redo have buttons and keys here; a host with a history of its own says no. Default true. */
  get hasHistory(): boolean {
    return this.#hasHistory;
  }

  set hasHistory(hasHistory: boolean) {
    this.#hasHistory = hasHistory;
    this.#update();
  }

  /** Where a point of the picture is on the page, as `clientX` and `clientY`; `undefined` without a picture. */
  pagePoint(point: Point): Point | undefined {
    if (this.#tiles === undefined) return undefined;
    const { left, top } = this.#canvas.getBoundingClientRect();
    const [x, y] = toStage(this.#view, point);
    return [left + x / this.#ratio, top + y / this.#ratio];
  }

  /** Where in the picture a point of the page is; the reverse of `pagePoint`. */
  picturePoint([x, y]: Point): Point | undefined {
    if (this.#tiles === undefined) return undefined;
    const { left, top } = this.#canvas.getBoundingClientRect();
    return toPicture(this.#view, [(x - left) * this.#ratio, (y - top) * this.#ratio]);
  }

  async #encode(): Promise<void> {
    const encoding = ++this.#encoding;
    const [engine, session, image] = [this.#engine, this.#session, this.#tiles?.image];
    if (session === undefined || image === undefined) return;
    if (session.engine !== undefined) return this.#setEngineState("ready");
    if (engine === undefined) return this.#setEngineState("none");
    this.#setEngineState("encoding");
    try {
      await engine.setImage(image);
      if (encoding !== this.#encoding) return;
      session.engine = engine;
      this.#setEngineState("ready");
    } catch (error) {
      if (encoding !== this.#encoding) return;
      this.#setEngineState("failed");
      this.#fail(error);
    }
  }

  #setEngineState(state: EngineState): void {
    this.#engineState = state;
    this.#message = "";
    this.#emit("masklet-engine", { state });
    this.#update();
  }

  #emit(name: keyof MaskletEditorEvents, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #changed(event: SessionEvent): void {
    if (event.type === "step") {
      this.#preview = undefined;
      this.#message = "";
      const word = stepText(event.step, this.#words.steps);
      this.#say(event.origin === "undo" ? fillIn(this.#words.undone, { step: word }) : word);
    }
    this.#update();
    this.#emit("masklet-session", event);
  }

  #say(text: string): void {
    setText(this.#live, text);
  }

  #fail(error: unknown): void {
    const isNothing = error instanceof EditorError && error.code === "nothing-found";
    const message = error instanceof Error ? error.message : String(error);
    this.#message = isNothing ? this.#words.nothingFound : fillIn(this.#words.failed, { message });
    this.#emit("masklet-error", { error });
    this.#update();
  }

  /** Runs a command; what it throws is said. */
  #try(command: (session: EditorSession) => unknown): void {
    const session = this.#session;
    if (session === undefined) return;
    try {
      const done = command(session);
      if (done instanceof Promise) done.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  // The view

  #resize(entry?: ResizeObserverEntry): void {
    const [device] = entry?.devicePixelContentBoxSize ?? [];
    const { clientWidth, clientHeight } = this.#stage;
    if (clientWidth === 0 || clientHeight === 0) return;
    // Where the browser says exactly how many pixels there are. A page that is emulated for another screen is told wrong.
    const exact = (length: number, pixels: number | undefined): number => {
      const about = Math.round(length * devicePixelRatio);
      return pixels !== undefined && Math.abs(pixels - about) <= 2 ? pixels : about;
    };
    const width = exact(clientWidth, device?.inlineSize);
    const height = exact(clientHeight, device?.blockSize);
    this.#ratio = width / clientWidth;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#top.width = width;
    this.#top.height = height;
    this.#isStale = true;
    if (this.#isFitted) this.#fit();
    else this.#setView(this.#view);
    this.#draw(); // before the next paint, which would show an empty canvas
  }

  #fit(): void {
    if (this.#tiles === undefined) return;
    this.#isFitted = true;
    this.#view = fitView(this.#tiles.image, this.#canvas, 12 * this.#ratio);
    this.#update();
  }

  #setView(view: View): void {
    if (this.#tiles === undefined) return;
    this.#view = keepInSight(view, this.#tiles.image, this.#canvas);
    this.#update();
  }

  #zoomBy(factor: number, at: Point = [this.#canvas.width / 2, this.#canvas.height / 2]): void {
    this.#isFitted = false;
    this.#setView(zoomAt(this.#view, factor, at));
  }

  /** Draws what a hand changes, before the next paint. */
  #schedule(): void {
    if (this.#frame !== 0 || !this.isConnected) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw(): void {
    const scene = this.#scene();
    if (scene === undefined) return;
    renderHand(this.#topContext, scene);
    if (!this.#isStale) return;
    this.#isStale = renderPicture(this.#context, scene);
    if (this.#isStale) this.#schedule();
  }

  #scene(): Scene | undefined {
    const [session, tiles] = [this.#session, this.#tiles];
    if (session === undefined || tiles === undefined) return undefined;
    const { document, selected, pending } = session;
    const waiting = pending.find(({ object }) => object === selected);
    const object = document.objects.find(({ id }) => id === selected);
    const hand = this.#hand;
    const isPainting = this.#tool === "brush" || this.#tool === "erase";
    const at = this.#cursor ?? this.#hover;
    this.#shapes.room = Math.max(256, 2 * document.objects.length);
    return {
      view: this.#view,
      tiles,
      shapes: this.#shapes,
      previews: this.#previews,
      ratio: this.#ratio,
      objects: document.objects.filter((one) => this.#isShown(one)).map((one) => this.#shown(session, one)),
      display: this.#display,
      backdrop: this.#backdrop,
      ground:
        this.#backdrop === "colour"
          ? getComputedStyle(this).getPropertyValue("--masklet-ground").trim() || "#3a7afe"
          : "",
      isOriginal: this.#isOriginal,
      preview: this.#preview && {
        rle: this.#preview,
        colour: object === undefined ? paletteColour(document.nextId - 1) : this.#colour(object),
      },
      marks: marksOf(object, waiting),
      box: hand?.tool === "box" ? boxOf(hand.points) : ((waiting ?? object)?.prompt.box ?? null),
      lasso: hand?.tool === "lasso" ? null : ((waiting ?? object)?.prompt.lasso ?? null),
      stroke:
        hand === undefined || hand.tool === "box" || hand.tool === "point" || hand.tool === "select"
          ? undefined
          : {
              points: hand.points,
              radius: hand.tool === "brush" || hand.tool === "erase" ? this.#brush : undefined,
              isNegative: hand.isNegative || hand.tool === "erase",
              isClosed: hand.tool === "lasso",
            },
      brush: isPainting && at !== undefined ? { at, radius: this.#brush } : undefined,
      cursor: this.#cursor,
    };
  }

  #isShown(object: EditorObject): boolean {
    return !this.#hidden.has(object.id) && (this.#filter?.(object) ?? true);
  }

  #shown(session: EditorSession, object: EditorObject): ShownObject {
    const { id, edge, state } = object;
    const isSelected = id === session.selected;
    return { rle: session.rle(id), colour: this.#colour(object), edge, isSelected, isDraft: state === "draft" };
  }

  /** The class's colour, or the palette's. */
  #colour({ id, class: name }: EditorObject): Rgb {
    const classes = this.#session?.document.classes ?? [];
    const index = classes.findIndex((one) => one.name === name);
    return classes[index]?.colour ?? paletteColour(index < 0 ? id - 1 : index);
  }

  // Hands

  #listen(): void {
    const stage = this.#stage;
    stage.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    stage.addEventListener("pointermove", (event) => this.#pointerMove(event));
    stage.addEventListener("pointerup", (event) => this.#pointerUp(event));
    stage.addEventListener("pointercancel", (event) => {
      this.#pointers.delete(event.pointerId);
      this.#drop();
    });
    stage.addEventListener("pointerleave", () => {
      this.#hover = undefined;
      this.#preview = undefined;
      this.#schedule();
    });
    stage.addEventListener("contextmenu", (event) => event.preventDefault()); // that button is "not on it"
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.#keyDown(event));
    stage.addEventListener("keyup", (event) => {
      if (event.key === " ") this.#isSpaceDown = false;
    });
    stage.addEventListener("blur", () => {
      this.#isSpaceDown = false;
    });
    this.addEventListener("keydown", (event) => this.#shortcut(event));
  }

  #onStage(event: MouseEvent): Point {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return [(event.clientX - left) * this.#ratio, (event.clientY - top) * this.#ratio];
  }

  /** In the picture, moved into it where it lies beside. */
  #inPicture(at: Point): Point {
    const { width, height } = this.#session?.document ?? { width: 0, height: 0 };
    const [x, y] = toPicture(this.#view, at);
    return [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  }

  #isInPicture(at: Point): boolean {
    const { width, height } = this.#session?.document ?? { width: 0, height: 0 };
    const [x, y] = toPicture(this.#view, at);
    return x >= 0 && y >= 0 && x <= width && y <= height;
  }

  #pointerDown(event: PointerEvent): void {
    if (this.#session === undefined) return;
    this.#stage.setPointerCapture(event.pointerId);
    const at = this.#onStage(event);
    this.#pointers.set(event.pointerId, at);
    this.#cursor = undefined;
    this.#preview = undefined;
    if (event.pointerType === "touch" && this.#pointers.size > 1) {
      this.#drop(); // what the first finger began was the beginning of a pinch
      return;
    }
    if (event.button === 1 || this.#isSpaceDown) {
      this.#isPanning = true;
      setAttribute(this.#stage, "data-dragging", true);
      event.preventDefault();
      return;
    }
    // The eraser's end of a pen is button 5.
    const isOther = event.button === 2 || event.button === 5 || event.shiftKey || event.altKey;
    if (event.button !== 0 && !isOther) return;
    this.#begin(at, isOther !== this.#isNegative);
    if (this.#tool === "select") setAttribute(this.#stage, "data-dragging", true);
  }

  #pointerMove(event: PointerEvent): void {
    const at = this.#onStage(event);
    const before = this.#pointers.get(event.pointerId);
    if (before !== undefined && this.#pointers.size === 2 && event.pointerType === "touch") {
      const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      this.#pointers.set(event.pointerId, at);
      if (other !== undefined) this.#pinch(before, at, other);
      return;
    }
    if (before !== undefined) this.#pointers.set(event.pointerId, at);
    if (this.#isPanning && before !== undefined) {
      this.#isFitted = false;
      this.#setView(panBy(this.#view, at[0] - before[0], at[1] - before[1]));
      return;
    }
    if (this.#hand !== undefined) {
      // All the points between two frames: a fast stroke stays round.
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const one of passed.length > 0 ? passed : [event]) this.#move(this.#onStage(one));
      return;
    }
    if (event.pointerType === "touch") return;
    this.#hover = this.#isInPicture(at) ? this.#inPicture(at) : undefined;
    void this.#previewAt();
    this.#schedule();
  }

  #pointerUp(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId);
    setAttribute(this.#stage, "data-dragging", undefined);
    if (this.#isPanning) this.#isPanning = false;
    else this.#end(this.#onStage(event));
  }

  #pinch(before: Point, now: Point, other: Point): void {
    const distance = (a: Point, b: Point): number => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const middle = (a: Point, b: Point): Point => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const [from, to] = [middle(before, other), middle(now, other)];
    this.#isFitted = false;
    const zoomed = zoomAt(this.#view, distance(now, other) / distance(before, other), from);
    this.#setView(panBy(zoomed, to[0] - from[0], to[1] - from[1]));
  }

  /** As VS Code's image preview: the wheel scrolls, and zooms with Ctrl, which is what a pinch on a trackpad sends. */
  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const unit = event.deltaMode === 0 ? 1 : 16;
    if (event.ctrlKey || event.metaKey) {
      const at = this.#onStage(event);
      this.#zoomBy(Math.exp(-Math.max(-50, Math.min(50, event.deltaY * unit)) / 100), at);
      return;
    }
    const [dx, dy] = [event.deltaX * unit * this.#ratio, event.deltaY * unit * this.#ratio];
    this.#isFitted = false;
    this.#setView(event.shiftKey ? panBy(this.#view, -dy, -dx) : panBy(this.#view, -dx, -dy));
  }

  #begin(at: Point, isNegative: boolean): void {
    const point = this.#inPicture(at);
    const tool = this.#tool === "brush" && isNegative ? "erase" : this.#tool;
    if (tool === "point" && !this.#isInPicture(at)) return;
    this.#hand = { tool, isNegative, start: at, points: [point], at, hasMoved: false };
    this.#schedule();
  }

  #move(at: Point): void {
    const hand = this.#hand;
    if (hand === undefined) return;
    const far = Math.hypot(at[0] - hand.start[0], at[1] - hand.start[1]) > DRAG * this.#ratio;
    if (hand.tool === "select" && (far || hand.hasMoved)) {
      this.#isFitted = false;
      this.#setView(panBy(this.#view, at[0] - hand.at[0], at[1] - hand.at[1]));
    }
    hand.at = at;
    hand.hasMoved ||= far;
    // A click that becomes a drag is a box.
    if (hand.tool === "point" && hand.hasMoved && !hand.isNegative) this.#hand = { ...hand, tool: "box" };
    this.#hand?.points.push(this.#inPicture(at));
    this.#schedule();
  }

  /** Gives up the stroke under way. */
  #drop(): void {
    this.#hand = undefined;
    this.#isPanning = false;
    this.#preview = undefined;
    this.#schedule();
  }

  #end(at: Point): void {
    const hand = this.#hand;
    if (hand === undefined) return;
    this.#hand = undefined;
    this.#schedule();
    const { tool, points, start } = hand;
    const label: Label = hand.isNegative ? 0 : 1;
    if (tool === "select") {
      if (!hand.hasMoved) this.#selectAt(this.#inPicture(at));
      return;
    }
    if (tool === "brush" || tool === "erase") {
      this.#try((session) => session.paintStroke(points, this.#brush, tool === "brush" ? "add" : "erase"));
      return;
    }
    if (this.#session?.engine === undefined) {
      this.#message = this.#engineState === "encoding" ? this.#words.encoding : this.#words.noModel;
      this.#update();
      return;
    }
    this.#message = "";
    if (tool === "point") this.#try((session) => session.addPoint(this.#inPicture(start), label));
    if (tool === "scribble") this.#try((session) => session.addScribble(points, label));
    const box = boxOf(points);
    if (box === null || points.length < 2) return;
    if (tool === "box") this.#try((session) => session.setBox(box));
    if (tool === "lasso" && points.length > 2) this.#try((session) => session.setLasso(points.flat()));
  }

  /** The smallest object there, and with the next click the one around it. */
  #selectAt([x, y]: Point): void {
    const session = this.#session;
    if (session === undefined) return;
    const { objects } = session.document;
    const pixel = { x: Math.floor(x), y: Math.floor(y), width: 1, height: 1 };
    const there = objects
      .filter((one) => this.#isShown(one) && decodeRleAt(session.rle(one.id), pixel).data[0] === 1)
      .sort((a, b) => areaOf(session, a) - areaOf(session, b))
      .map(({ id }) => id);
    const at = session.selected === null ? -1 : there.indexOf(session.selected);
    this.#try(() => session.select(there[(at + 1) % Math.max(1, there.length)] ?? null));
  }

  /** Shows what a click would give; as fast as the model answers, and never more than one ahead. */
  async #previewAt(): Promise<void> {
    const session = this.#session;
    const isWanted = this.#tool === "point" && session?.engine !== undefined && !this.#isOriginal;
    if (!isWanted || this.#hover === undefined) {
      this.#preview = undefined;
      return;
    }
    if (this.#isPreviewing) return;
    this.#isPreviewing = true;
    const at = this.#hover;
    try {
      const rle = await session.preview(at, this.#isNegative ? 0 : 1);
      if (this.#hover !== undefined && this.#hand === undefined) this.#preview = rle;
    } catch {
      this.#preview = undefined; // a click would say why
    }
    this.#isPreviewing = false;
    this.#schedule();
    if (this.#hover !== undefined && this.#hover !== at) void this.#previewAt();
  }

  // Keys

  /** Keys of the whole editor, but for what is typed into fields. */
  #shortcut(event: KeyboardEvent): void {
    const [target] = event.composedPath();
    const isTyping = target instanceof HTMLInputElement && target.type === "text";
    if (!this.#hasHistory || event.defaultPrevented || isTyping || !(event.ctrlKey || event.metaKey) || event.altKey)
      return;
    const key = event.key.toLowerCase();
    const isRedo = key === "y" || (key === "z" && event.shiftKey);
    if (!isRedo && key !== "z") return;
    event.preventDefault();
    this.#try((session) => (isRedo ? session.redo() : session.undo()));
  }

  #keyDown(event: KeyboardEvent): void {
    const session = this.#session;
    if (session === undefined || event.ctrlKey || event.metaKey) return;
    if (this.#key(event, session)) event.preventDefault();
  }

  /** Keys of the picture; -> whether this was one. */
  #key(event: KeyboardEvent, session: EditorSession): boolean {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const tool = toolKeys[key];
    const { selected, document } = session;
    if (tool !== undefined && !event.altKey) {
      this.tool = tool;
      return true;
    }
    if (/^[1-9]$/.test(key)) {
      const named = document.classes[Number(key) - 1];
      if (named !== undefined) this.#try(() => session.setClass(named.name));
      return true;
    }
    switch (key) {
      case "ArrowLeft":
      case "ArrowRight":
      case "ArrowUp":
      case "ArrowDown":
        this.#moveCursor(key, event);
        return true;
      case " ":
        if (this.#cursor === undefined) this.#isSpaceDown = true;
        else if (!event.repeat) this.#useCursor(event.shiftKey !== this.#isNegative);
        return true;
      case "Escape":
        if (this.#hand !== undefined) this.#drop();
        else if (session.pending.length > 0) session.cancelPrompts();
        else session.select(null);
        return true;
      case "Enter":
        if (selected !== null) this.#try(() => session.setState("accepted", [selected]));
        return true;
      case "Delete":
      case "Backspace":
        if (selected !== null) this.#try(() => session.remove(selected));
        return true;
      case "+":
      case "=":
        this.#zoomBy(ZOOM_STEP, this.#cursorOnStage());
        return true;
      case "-":
        this.#zoomBy(1 / ZOOM_STEP, this.#cursorOnStage());
        return true;
      case "0":
        this.#isFitted = false;
        if (this.#tiles !== undefined) this.#setView(centred(this.#tiles.image, this.#canvas, 1));
        return true;
      case "f":
        this.#fit();
        return true;
      case "n":
        session.select(null);
        return true;
      case "k":
        this.notOnIt = !this.#isNegative;
        return true;
      case "o":
        this.showsOriginal = !this.#isOriginal;
        return true;
      case "c": {
        const { candidates = [], candidate = null } = selected === null ? {} : session.object(selected);
        if (candidates.length > 0) {
          this.#try(() => session.chooseCandidate(((candidate ?? -1) + 1) % candidates.length));
        }
        return true;
      }
      case "[":
      case "]":
        this.brushSize = this.#brush * (key === "]" ? 1.25 : 0.8);
        return true;
      default:
        return false;
    }
  }

  #cursorOnStage(): Point | undefined {
    return this.#cursor && toStage(this.#view, this.#cursor);
  }

  /** By about a hundredth of what is seen; with Shift ten times, with Alt one pixel. */
  #moveCursor(key: string, { shiftKey, altKey }: KeyboardEvent): void {
    const { width, height } = this.#session?.document ?? { width: 0, height: 0 };
    const stage = this.#canvas;
    const seen = Math.max(1, Math.round((8 * this.#ratio) / this.#view.scale));
    const step = altKey ? 1 : shiftKey ? 10 * seen : seen;
    const [x, y] = this.#cursor ?? this.#inPicture([stage.width / 2, stage.height / 2]).map(Math.floor);
    const dx = key === "ArrowLeft" ? -step : key === "ArrowRight" ? step : 0;
    const dy = key === "ArrowUp" ? -step : key === "ArrowDown" ? step : 0;
    // The middle of a pixel.
    const place = (at: number, length: number): number => Math.min(length - 0.5, Math.max(0.5, Math.floor(at) + 0.5));
    const cursor: Point = [place((x ?? 0) + dx, width), place((y ?? 0) + dy, height)];
    this.#cursor = cursor;
    this.#hover = cursor;
    const view = reveal(this.#view, cursor, stage, 24 * this.#ratio);
    if (view.x !== this.#view.x || view.y !== this.#view.y) this.#setView(view);
    if (this.#hand !== undefined) this.#move(toStage(this.#view, cursor));
    else void this.#previewAt();
    this.#say(fillIn(this.#words.cursorAt, { x: Math.floor(cursor[0]), y: Math.floor(cursor[1]) }));
    this.#schedule();
  }

  /** Space: a click, or the beginning or the end of a stroke. */
  #useCursor(isNegative: boolean): void {
    const at = this.#cursorOnStage();
    if (at === undefined || this.#cursor === undefined) return;
    if (this.#hand !== undefined) {
      this.#end(at);
      return;
    }
    this.#begin(at, isNegative);
    if (this.#tool === "point" || this.#tool === "select") this.#end(at);
    else {
      const [x, y] = this.#cursor.map(Math.floor) as [number, number];
      this.#say(fillIn(this.#words.strokeBegun, { x, y }));
    }
  }

  // What is around the picture

  #update(): void {
    for (const update of this.#updates) update();
    this.#isStale = true;
    this.#schedule();
  }

  #nameOf({ id, name, class: named }: EditorObject): string {
    return name ?? (named === null ? fillIn(this.#words.object, { n: id }) : `${named} ${id}`);
  }

  #build(): void {
    const words = this.#words;
    this.#updates = [];
    this.#items.clear();
    this.#list.replaceChildren();
    setAttribute(this.#stage, "aria-label", words.stageHelp);
    setAttribute(this.#stage, "aria-roledescription", words.editor);
    this.#bar.replaceChildren(...this.#buildBar(words));
    this.#side.replaceChildren(...this.#buildSide(words));
    this.#updates.push(() => {
      setAttribute(this.#stage, "data-tool", this.#tool);
      const session = this.#session;
      const state = { none: words.noModel, encoding: words.encoding, ready: words.ready, failed: words.noModel };
      const standing = session === undefined ? words.noPicture : state[this.#engineState];
      const waiting = (session?.pending.length ?? 0) > 0 ? words.waiting : "";
      setText(this.#status, this.#message || waiting || standing);
      setText(this.#zoomText, session === undefined ? "" : `${Math.round(this.#view.scale * 100)}%`);
    });
    this.#update();
  }

  #button(
    drawn: keyof typeof icons | "",
    label: string,
    act: () => void,
    update?: (button: HTMLButtonElement) => void,
  ): HTMLButtonElement {
    const attributes = { type: "button", "aria-label": label, title: label, click: act };
    const button =
      drawn === ""
        ? h("button", { type: "button", click: act, class: "text" }, label)
        : h("button", attributes, icon(icons[drawn]));
    if (update !== undefined) this.#updates.push(() => update(button));
    return button;
  }

  #select<T extends string>(
    label: string,
    options: readonly (readonly [value: T, text: string])[],
    get: () => T,
    set: (value: T) => void,
  ): HTMLSelectElement {
    const select = h(
      "select",
      { "aria-label": label, title: label, change: () => set(select.value as T) },
      ...options.map(([value, text]) => h("option", { value }, text)),
    );
    this.#updates.push(() => {
      select.value = get();
    });
    return select;
  }

  #range(
    label: string,
    [min, max, step]: readonly [number, number, number],
    get: () => number,
    set: (value: number) => void,
  ): HTMLLabelElement {
    const input = h("input", { type: "range", min, max, step, change: () => set(input.valueAsNumber) });
    this.#updates.push(() => {
      if (input.valueAsNumber !== get()) input.value = String(get());
    });
    return h("label", { class: "row" }, label, input);
  }

  #buildBar(words: EditorWords): readonly Node[] {
    const names: Readonly<Record<EditorTool, string>> = {
      select: words.toolSelect,
      point: words.toolPoint,
      box: words.toolBox,
      lasso: words.toolLasso,
      scribble: words.toolScribble,
      brush: words.toolBrush,
      erase: words.toolErase,
    };
    const toggle = (button: HTMLButtonElement, isOn: boolean): void =>
      setAttribute(button, "aria-pressed", String(isOn));
    const keyOf = (tool: EditorTool): string => Object.keys(toolKeys).find((key) => toolKeys[key] === tool) ?? "";
    const toolButtons = tools.map((tool) =>
      this.#button(
        tool,
        names[tool],
        () => {
          this.tool = tool;
        },
        (button) => {
          toggle(button, this.#tool === tool);
          setAttribute(button, "aria-keyshortcuts", keyOf(tool));
        },
      ),
    );
    const notOnIt = this.#button(
      "notOnIt",
      words.notOnIt,
      () => {
        this.notOnIt = !this.#isNegative;
      },
      (button) => toggle(button, this.#isNegative),
    );
    notOnIt.append(words.notOnIt);
    const history = (["undo", "redo"] as const).map((which) =>
      this.#button(
        which,
        words[which],
        () => this.#try((session) => session[which]()),
        (button) => {
          const step = which === "undo" ? this.#session?.undoStep : this.#session?.redoStep;
          const isWaiting = which === "undo" && (this.#session?.pending.length ?? 0) > 0;
          setAttribute(button, "disabled", step === undefined && !isWaiting);
          button.hidden = !this.#hasHistory;
          const long = which === "undo" ? words.undoStep : words.redoStep;
          const text = step === undefined ? words[which] : fillIn(long, { step: stepText(step, words.steps) });
          setAttribute(button, "aria-label", text);
          setAttribute(button, "title", text);
        },
      ),
    );
    const view = [
      this.#button("zoomOut", words.zoomOut, () => this.#zoomBy(1 / ZOOM_STEP)),
      this.#button("zoomIn", words.zoomIn, () => this.#zoomBy(ZOOM_STEP)),
      this.#button("fit", words.fit, () => this.#fit()),
    ];
    const brush = h("input", {
      type: "range",
      class: "brush",
      min: 1,
      max: 100,
      "aria-label": words.brushSize,
      title: words.brushSize,
      input: () => {
        this.brushSize = brush.valueAsNumber;
      },
    });
    this.#updates.push(() => {
      brush.value = String(Math.round(this.#brush));
      // Its place stays, so that the picture does not move.
      setAttribute(brush, "data-idle", this.#tool !== "brush" && this.#tool !== "erase");
    });
    const display = this.#select<Display>(
      words.display,
      [
        ["both", words.displayBoth],
        ["fill", words.displayFill],
        ["outline", words.displayOutline],
        ["none", words.displayNone],
      ],
      () => this.#display,
      (value) => {
        this.display = value;
      },
    );
    const backdrop = this.#select<Backdrop>(
      words.backdrop,
      [
        ["picture", words.backdropPicture],
        ["checker", words.backdropChecker],
        ["black", words.backdropBlack],
        ["white", words.backdropWhite],
        ["colour", words.backdropColour],
      ],
      () => this.#backdrop,
      (value) => {
        this.backdrop = value;
      },
    );
    const original = this.#button(
      "",
      words.before,
      () => {
        this.showsOriginal = !this.#isOriginal;
      },
      (button) => toggle(button, this.#isOriginal),
    );
    const group = (...children: readonly Node[]): Node => h("div", { class: "group" }, ...children);
    const toolbar = h("div", { class: "group", role: "toolbar", "aria-label": words.tools }, ...toolButtons);
    // Beside the tool that it is for most often, so that it is in sight on a phone.
    toolButtons[tools.indexOf("point")]?.after(notOnIt);
    roving(toolbar);
    return [toolbar, brush, group(...history), group(...view), group(display, backdrop, original)];
  }

  #buildSide(words: EditorWords): readonly Node[] {
    const add = this.#button("add", words.newObject, () => {
      this.#session?.select(null);
      this.#stage.focus();
    });
    const heading = h("h2", { id: "objects" }, words.objects);
    setAttribute(this.#list, "aria-labelledby", "objects");
    const empty = h("p", { class: "empty" }, words.empty);
    this.#updates.push(() => {
      this.#updateList();
      empty.hidden = (this.#session?.document.objects.length ?? 0) > 0;
      this.#list.hidden = !empty.hidden;
    });
    return [h("div", { class: "head" }, heading, add), empty, this.#list, this.#buildFields(words)];
  }

  #updateList(): void {
    const objects = this.#session?.document.objects ?? [];
    const ids = new Set(objects.map(({ id }) => id));
    for (const [id, { row }] of this.#items) {
      if (ids.has(id)) continue;
      row.remove();
      this.#items.delete(id);
      this.#marked.delete(id);
    }
    // What lies on top is first in the list.
    for (const [i, object] of objects.toReversed().entries()) {
      const item = this.#items.get(object.id) ?? this.#buildItem(object.id);
      this.#items.set(object.id, item);
      item.update(object);
      if (this.#list.children[i] !== item.row) this.#list.insertBefore(item.row, this.#list.children[i] ?? null);
    }
  }

  #buildItem(id: number): { readonly row: HTMLLIElement; readonly update: (object: EditorObject) => void } {
    const swatch = h("span", { class: "swatch" });
    const name = h("span", { class: "name" });
    const note = h("span", { class: "note" });
    const choose = h(
      "button",
      { type: "button", click: () => this.#try((session) => session.select(id)) },
      swatch,
      h("span", { class: "about" }, name, note),
    );
    const mark = h("input", {
      type: "checkbox",
      change: () => {
        if (mark.checked) this.#marked.add(id);
        else this.#marked.delete(id);
        this.#update();
      },
    });
    const eye = h("button", {
      type: "button",
      click: () => {
        if (!this.#hidden.delete(id)) this.#hidden.add(id);
        this.#update();
      },
    });
    const remove = h("button", { type: "button", click: () => this.#removeFromList(id) }, icon(icons.remove));
    const row = h("li", {}, choose, h("label", {}, mark), eye, remove);
    let isHidden: boolean | undefined;
    const update = (object: EditorObject): void => {
      const words = this.#words;
      const text = this.#nameOf(object);
      const score = object.score === null ? "" : `, ${object.score.toFixed(2)}`;
      swatch.style.background = cssColour(this.#colour(object));
      setText(name, text);
      setText(note, `${object.state === "draft" ? words.draft : words.accepted}${score}`);
      setAttribute(choose, "aria-pressed", String(this.#session?.selected === id));
      mark.checked = this.#marked.has(id);
      setAttribute(mark, "aria-label", fillIn(words.inMerge, { object: text }));
      if (isHidden !== this.#hidden.has(id)) {
        isHidden = this.#hidden.has(id);
        eye.replaceChildren(icon(isHidden ? icons.hide : icons.show));
      }
      for (const [button, label] of [
        [eye, isHidden ? words.show : words.hide],
        [remove, words.remove],
      ] as const) {
        setAttribute(button, "aria-label", fillIn(label, { object: text }));
        setAttribute(button, "title", fillIn(label, { object: text }));
      }
    };
    return { row, update };
  }

  /** The focus goes on to the next object, or to the picture: not to nowhere. */
  #removeFromList(id: number): void {
    const row = this.#items.get(id)?.row;
    const next = row?.nextElementSibling ?? row?.previousElementSibling;
    this.#try((session) => session.remove(id));
    const button = next?.querySelector("button");
    if (button instanceof HTMLElement) button.focus();
    else this.#stage.focus();
  }

  /** What can be done to the selected object. */
  #buildFields(words: EditorWords): Node {
    const { steps } = words;
    const selected = (): EditorObject | undefined => {
      const session = this.#session;
      return session === undefined || session.selected === null ? undefined : session.object(session.selected);
    };
    const act = (label: string, command: (session: EditorSession) => Step | undefined): HTMLButtonElement =>
      this.#button("", label, () => this.#try(command));
    const name = h("input", {
      type: "text",
      change: () => this.#try((session) => session.rename(name.value.trim() || null)),
    });
    const candidates = h("div", { class: "ops", role: "group", "aria-label": words.candidates });
    const classes = h("select", { change: () => this.#try((session) => session.setClass(classes.value || null)) });
    const classRow = h("label", { class: "row" }, words.class, classes);
    const accept = this.#button(
      "",
      words.accept,
      () => {
        const object = selected();
        if (object === undefined) return;
        this.#try((session) => session.setState(object.state === "draft" ? "accepted" : "draft", [object.id]));
      },
      (button) => setText(button, selected()?.state === "accepted" ? words.back : words.accept),
    );
    const merge = this.#button(
      "",
      steps.merge,
      () =>
        this.#try((session) => {
          const step = session.merge([...(session.selected === null ? [] : [session.selected]), ...this.#marked]);
          this.#marked.clear();
          this.#update();
          return step;
        }),
      (button) => {
        const { selected: id = null } = this.#session ?? {};
        const others = [...this.#marked].filter((one) => one !== id).length;
        setAttribute(button, "disabled", others + (id === null ? 0 : 1) < 2);
      },
    );
    const ops = h(
      "div",
      { class: "ops", role: "group", "aria-label": words.edit },
      act(steps.grow, (session) => session.grow(1)),
      act(steps.shrink, (session) => session.grow(-1)),
      act(steps.smooth, (session) => session.smooth(2)),
      act(steps["fill-holes"], (session) => session.fillHoles()),
      act(steps["remove-specks"], (session) => session.removeSpecks()),
      act(steps.invert, (session) => session.invert()),
      act(steps.split, (session) => session.split()),
      merge,
    );
    const feather = this.#range(
      words.feather,
      [0, 20, 0.5],
      () => selected()?.edge.feather ?? 0,
      (value) => this.#try((session) => session.setEdge({ feather: value })),
    );
    const clean = this.#range(
      words.decontaminate,
      [0, 10, 1],
      () => selected()?.edge.decontaminate ?? 0,
      (value) => this.#try((session) => session.setEdge({ decontaminate: value })),
    );
    const nameRow = h("label", { class: "row" }, words.name, name);
    const fields = h("div", { class: "fields" }, accept, candidates, nameRow, classRow, ops, feather, clean);
    let shown = "";
    this.#updates.push(() => {
      const object = selected();
      const { classes: all = [] } = this.#session?.document ?? {};
      fields.hidden = object === undefined;
      // What is being typed stays.
      if (this.shadowRoot?.activeElement !== name) name.value = object?.name ?? "";
      classRow.hidden = all.length === 0;
      const known = JSON.stringify([object?.candidates.map(({ score }) => score), all]);
      if (known !== shown) {
        shown = known;
        classes.replaceChildren(
          ...["", ...all.map((one) => one.name)].map((value) => h("option", { value }, value || words.noClass)),
        );
        candidates.replaceChildren(
          ...(object?.candidates ?? []).map(({ score }, i) =>
            h(
              "button",
              {
                type: "button",
                class: "text",
                "aria-label": fillIn(words.candidate, { n: i + 1, score: score.toFixed(2) }),
                click: () => this.#try((session) => session.chooseCandidate(i)),
              },
              `${i + 1}: ${score.toFixed(2)}`,
            ),
          ),
        );
      }
      classes.value = object?.class ?? "";
      candidates.hidden = candidates.children.length === 0;
      for (const [i, button] of [...candidates.children].entries()) {
        setAttribute(button, "aria-pressed", String(object?.candidate === i));
      }
    });
    return fields;
  }
}

/** One stop for Tab, arrows inside (ARIA's toolbar). */
function roving(toolbar: HTMLElement): void {
  const buttons = (): HTMLElement[] => [...toolbar.querySelectorAll("button")];
  for (const [i, button] of buttons().entries()) button.tabIndex = i === 0 ? 0 : -1;
  toolbar.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    const all = buttons();
    const at = all.indexOf(event.target as HTMLElement);
    all[(at + by + all.length) % all.length]?.focus();
    event.preventDefault();
  });
  toolbar.addEventListener("focusin", (event) => {
    for (const button of buttons()) button.tabIndex = button === event.target ? 0 : -1;
  });
}

function marksOf(object: EditorObject | undefined, waiting: PendingPrompt | undefined): readonly Mark[] {
  const { points, labels } = (waiting ?? object)?.prompt ?? { points: [], labels: [] };
  const known = object?.prompt.points.length ?? 0;
  return points.map((point, i) => ({ point, label: labels[i] ?? 1, isPending: waiting !== undefined && i >= known }));
}

/** Around points; `null` if it has no inside. */
function boxOf(points: readonly Point[]): readonly [number, number, number, number] | null {
  const [start, end] = [points[0], points.at(-1)];
  if (start === undefined || end === undefined) return null;
  const [x0, x1] = [Math.min(start[0], end[0]), Math.max(start[0], end[0])];
  const [y0, y1] = [Math.min(start[1], end[1]), Math.max(start[1], end[1])];
  return x0 < x1 && y0 < y1 ? [x0, y0, x1, y1] : null;
}

function areaOf(session: EditorSession, { id }: EditorObject): number {
  return rleArea(session.rle(id));
}

function isPixels(picture: RawImage | WebImageSource): picture is RawImage {
  return typeof picture === "object" && "channels" in picture;
}

function isOneOf<T extends string>(values: readonly T[], value: string | null): value is T {
  return (values as readonly (string | null)[]).includes(value);
}

const openKeys: Keys<OpenOptions> = { session: true };
