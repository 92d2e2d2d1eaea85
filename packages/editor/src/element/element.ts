/**
 * `<masklet-editor>`: draws a session and listens to hands. What is done is done by the session; here are only the picture
 * on the screen, the tools, and the words.
 */
import { type Point, paletteColour, type RawImage } from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { imageFrom, type WebImageSource } from "@masklet/core/web";
import type { EditorObject } from "../document.ts";
import { EditorError } from "../errors.ts";
import type { PromptEngine } from "../prompt.ts";
import type { PendingPrompt } from "../queue.ts";
import { EditorSession, type SessionEvent } from "../session.ts";
import { stepText } from "../step.ts";
import { toPicture } from "../view.ts";
import { type EditorWords, editorWords, fillIn } from "../words.ts";
import { buildBar } from "./bar.ts";
import { colourOf } from "./colours.ts";
import { h, setAttribute, setText } from "./dom.ts";
import { buildFields } from "./fields.ts";
import { boxOf, type Hand, Hands } from "./hands.ts";
import { ObjectList } from "./list.ts";
import type { Parts } from "./parts.ts";
import type { Backdrop, Display, Mark, ShownObject } from "./render.ts";
import { Stage, type StageScene } from "./stage.ts";
import { css } from "./style.ts";
import { theme } from "./theme.ts";
import { type EditorTool, tools } from "./tools.ts";

/** An engine that is told the picture: an `ImagePredictor` of core, or its remote client. */
export interface PictureEngine extends PromptEngine {
  setImage(image: RawImage): Promise<void>;
}

export interface OpenOptions {
  /** The session to show, of the picture's size; a new one if not given. One that has an engine keeps it. */
  readonly session?: EditorSession;
}

/** An undo other than the session's: a video's, or the host's own. The words say what would be done, where there is something. */
export interface EditorHistory {
  readonly undoText: string | undefined;
  readonly redoText: string | undefined;
  undo(): unknown;
  redo(): unknown;
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

const displays: readonly Display[] = ["both", "fill", "outline", "none"];
const backdrops: readonly Backdrop[] = ["picture", "checker", "black", "white", "colour"];
/** Nothing to inherit from outside of a browser, where the module may be imported but not used. */
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * The editor as an element: `open` a picture, set an `engine`, and listen to "masklet-session". Attributes: `tool`,
 * `display`, `backdrop`, `theme` ("light" or "dark"; the system's if not given), `bare` (the picture alone). Custom
 * properties, `--masklet-accent` and the like, are in apps/docs/editor.md.
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
  #history: EditorHistory | null | undefined;
  #filter: ((object: EditorObject) => boolean) | undefined;
  readonly #hidden = new Set<number>();
  readonly #marked = new Set<number>();
  #tool: EditorTool = "point";
  #display: Display = "both";
  #backdrop: Backdrop = "picture";
  #isNegative = false;
  #isOriginal = false;
  #brush = 12;
  #message = "";

  readonly #stage = new Stage(
    () => this.#scene(),
    () => this.#update(),
  );
  readonly #parts: Parts = {
    editor: this,
    stage: this.#stage,
    hidden: this.#hidden,
    isShown: (object) => this.#isShown(object),
    marked: this.#marked,
    attempt: (command) => this.#try(command),
    say: (text) => setText(this.#live, text),
    tell: (message) => {
      this.#message = message;
      this.#update();
    },
    update: () => this.#update(),
    onUpdate: (update) => this.#updates.push(update),
  };
  readonly #hands = new Hands(this.#parts);
  readonly #bar = h("div", { class: "bar" });
  readonly #side = h("div", { class: "side" });
  readonly #status = h("span", { role: "status" });
  readonly #zoomText = h("span");
  readonly #live = h("span", { class: "quiet", role: "status" });
  /** Run after every change of what they show. */
  #updates: (() => void)[] = [];

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(theme + css);
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    root.adoptedStyleSheets = [sheet];
    const status = h("div", { class: "status" }, this.#status, this.#zoomText);
    root.append(h("div", { class: "frame" }, this.#bar, this.#stage.element, this.#side, status, this.#live));
    this.addEventListener("keydown", (event) => this.#shortcut(event));
    this.#build();
  }

  connectedCallback(): void {
    // What a page set before this module had loaded hides the accessors.
    for (const name of ["engine", "history", "filter", "words", "tool", "display", "backdrop"] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Partial<MaskletEditorElement>)[name];
      Object.assign(this, { [name]: value });
    }
    this.#stage.connect();
  }

  disconnectedCallback(): void {
    this.#stage.disconnect();
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    if (name === "tool" && isOneOf(tools, value)) this.tool = value;
    if (name === "display" && isOneOf(displays, value)) this.display = value;
    if (name === "backdrop" && isOneOf(backdrops, value)) this.backdrop = value;
  }

  /**
   * Shows a picture: pixels, or whatever core's `imageFrom` takes. Resolves once it is shown; the engine is told of it
   * then. With the session that is shown already, the view stays where it is. Rejects as `imageFrom`, and with an `EditorError` "editor-option" for a session of another size; what was shown
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
    const isSame = session === this.#session;
    this.#stage.image = image;
    if (isSame) {
      // Another frame of a video, say: where one is in it stays.
      this.#update();
      void this.#encode();
      return;
    }
    this.#unsubscribe();
    // The engine is about to leave that session's picture.
    const left = this.#session;
    if (left?.engine !== undefined && left.engine === this.#engine) left.engine = undefined;
    this.#session = session;
    this.#unsubscribe = session.subscribe((event) => this.#changed(event));
    this.#hidden.clear();
    this.#marked.clear();
    this.#hands.reset();
    this.#message = "";
    this.#stage.fit();
    this.#update();
    void this.#encode();
  }

  /** What is edited; `undefined` before `open`. */
  get session(): EditorSession | undefined {
    return this.#session;
  }

  /** The picture's pixels; `undefined` before `open`. */
  get image(): RawImage | undefined {
    return this.#stage.image;
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

  /**
   * What undo and redo act on: the session, unless it is set, to be set again when its words change. `null`: they have
   * neither buttons nor keys here, as the host has its own.
   */
  get history(): EditorHistory | null | undefined {
    return this.#history;
  }

  set history(history: EditorHistory | null | undefined) {
    this.#history = history;
    this.#update();
  }

  /** Which objects are shown in the picture, besides those that a person has hidden; all without it. */
  get filter(): ((object: EditorObject) => boolean) | undefined {
    return this.#filter;
  }

  set filter(filter: ((object: EditorObject) => boolean) | undefined) {
    this.#filter = filter;
    this.#update();
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
    this.#hands.drop();
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
    this.#hands.dropPreview();
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
    return this.#stage.view.scale;
  }

  set zoom(zoom: number | "fit") {
    if (zoom === "fit") this.#stage.fit();
    else this.#stage.zoomBy(zoom / this.zoom);
  }

  /** Where a point of the picture is on the page, as `clientX` and `clientY`; `undefined` without a picture. */
  pagePoint(point: Point): Point | undefined {
    return this.image && this.#stage.onPage(point);
  }

  /** Where in the picture a point of the page is; the reverse of `pagePoint`. */
  picturePoint([clientX, clientY]: Point): Point | undefined {
    return this.image && toPicture(this.#stage.view, this.#stage.at({ clientX, clientY }));
  }

  async #encode(): Promise<void> {
    const encoding = ++this.#encoding;
    const [engine, session, image] = [this.#engine, this.#session, this.#stage.image];
    if (session === undefined || image === undefined) return;
    if (session.engine !== undefined && session.engine !== engine) return this.#setEngineState("ready");
    if (engine === undefined) return this.#setEngineState("none");
    // Until it knows this picture, it would answer for the one before.
    session.engine = undefined;
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
    if (state === this.#engineState && state !== "encoding") return;
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
      this.#hands.dropPreview();
      this.#message = "";
      const word = stepText(event.step, this.#words.steps);
      this.#parts.say(event.origin === "undo" ? fillIn(this.#words.undone, { step: word }) : word);
    }
    this.#update();
    this.#emit("masklet-session", event);
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

  /** What there is to draw. */
  #scene(): StageScene | undefined {
    const session = this.#session;
    if (session === undefined) return undefined;
    const { document, selected, pending } = session;
    const waiting = pending.find(({ object }) => object === selected);
    const object = document.objects.find(({ id }) => id === selected);
    const { hand, at, cursor, preview, outline } = this.#hands;
    const isPainting = this.#tool === "brush" || this.#tool === "erase";
    return {
      objects: document.objects.filter((one) => this.#isShown(one)).map((one) => this.#shown(session, one)),
      display: this.#display,
      backdrop: this.#backdrop,
      ground:
        this.#backdrop === "colour"
          ? getComputedStyle(this).getPropertyValue("--masklet-ground").trim() || "#3a7afe"
          : "",
      isOriginal: this.#isOriginal,
      preview: preview && {
        rle: preview,
        colour: object === undefined ? paletteColour(document.nextId - 1) : colourOf(object, document.classes),
      },
      marks: marksOf(object, waiting),
      box: hand?.tool === "box" ? boxOf(hand.points) : ((waiting ?? object)?.prompt.box ?? null),
      lasso: hand?.tool === "lasso" ? null : ((waiting ?? object)?.prompt.lasso ?? null),
      outline,
      stroke: hand && strokeOf(hand, this.#brush),
      brush: isPainting && at !== undefined ? { at, radius: this.#brush } : undefined,
      cursor,
    };
  }

  #isShown(object: EditorObject): boolean {
    return !this.#hidden.has(object.id) && (this.#filter?.(object) ?? true);
  }

  #shown(session: EditorSession, object: EditorObject): ShownObject {
    const { id, edge, state } = object;
    const isSelected = id === session.selected;
    const colour = colourOf(object, session.document.classes);
    return { rle: session.rle(id), colour, edge, isSelected, isDraft: state === "draft" };
  }

  /** Keys of the whole editor, but for what is typed into fields. */
  #shortcut(event: KeyboardEvent): void {
    const [target] = event.composedPath();
    const isTyping = target instanceof HTMLInputElement && target.type === "text";
    if (this.#history === null || event.defaultPrevented || isTyping) return;
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const isRedo = key === "y" || (key === "z" && event.shiftKey);
    if (!isRedo && key !== "z") return;
    event.preventDefault();
    this.#try((session) => (this.#history ?? session)[isRedo ? "redo" : "undo"]());
  }

  // What is around the picture

  #update(): void {
    for (const update of this.#updates) update();
    this.#stage.invalidate();
  }

  #build(): void {
    const words = this.#words;
    this.#updates = [];
    setAttribute(this.#stage.element, "aria-label", words.stageHelp);
    setAttribute(this.#stage.element, "aria-roledescription", words.editor);
    this.#bar.replaceChildren(...buildBar(this.#parts));
    this.#side.replaceChildren(...new ObjectList(this.#parts).nodes, buildFields(this.#parts));
    this.#updates.push(() => {
      setAttribute(this.#stage.element, "data-tool", this.#tool);
      const session = this.#session;
      const state = { none: words.noModel, encoding: words.encoding, ready: words.ready, failed: words.noModel };
      const standing = session === undefined ? words.noPicture : state[this.#engineState];
      const waiting = (session?.pending.length ?? 0) > 0 ? words.waiting : "";
      setText(this.#status, this.#message || waiting || standing);
      setText(this.#zoomText, session === undefined ? "" : `${Math.round(this.zoom * 100)}%`);
    });
    this.#update();
  }
}

function marksOf(object: EditorObject | undefined, waiting: PendingPrompt | undefined): readonly Mark[] {
  const { points, labels } = (waiting ?? object)?.prompt ?? { points: [], labels: [] };
  const known = object?.prompt.points.length ?? 0;
  return points.map((point, i) => ({ point, label: labels[i] ?? 1, isPending: waiting !== undefined && i >= known }));
}

/** What is drawn of a tool at work; a click and a box are no strokes. */
function strokeOf({ tool, points, isNegative }: Hand, brush: number): StageScene["stroke"] {
  if (tool === "box" || tool === "point" || tool === "select" || tool === "reshape") return undefined;
  return {
    points,
    radius: tool === "brush" || tool === "erase" ? brush : undefined,
    isNegative: isNegative || tool === "erase",
    isClosed: tool === "lasso",
  };
}

function isPixels(picture: RawImage | WebImageSource): picture is RawImage {
  return typeof picture === "object" && "channels" in picture;
}

function isOneOf<T extends string>(values: readonly T[], value: string | null): value is T {
  return (values as readonly (string | null)[]).includes(value);
}

const openKeys: Keys<OpenOptions> = { session: true };
