/** The timeline: a slider of frames, and below it what is known of each object on each of them. */
import { emptyMask } from "../masks.ts";
import type { ObjectFrame, VideoEditorDocument, VideoEditorObject } from "../video/document.ts";
import type { VideoWords } from "../video/words.ts";
import { fillIn } from "../words.ts";
import { colourOf, css } from "./colours.ts";
import { h, setAttribute, setText } from "./dom.ts";

/** What the timeline shows. */
export interface TimelineState {
  readonly document: VideoEditorDocument;
  readonly frame: number;
  readonly selected: number | null;
  readonly words: VideoWords;
  readonly nameOf: (object: VideoEditorObject) => string;
}

export interface TimelineActions {
  readonly seek: (frame: number) => void;
  readonly select: (id: number) => void;
}

interface Row {
  readonly row: HTMLLIElement;
  readonly strip: HTMLCanvasElement;
  readonly update: (object: VideoEditorObject, state: TimelineState) => void;
  /** What its strip was drawn of. */
  drawn: Drawn | undefined;
}

const BIG_STEP = 10;

export class Timeline {
  readonly element: HTMLElement;
  readonly slider: HTMLElement;
  readonly #ruler = h("canvas", { "aria-hidden": "true" });
  readonly #rows = h("ul", { class: "rows" });
  readonly #items = new Map<number, Row>();
  readonly #actions: TimelineActions;
  #state: TimelineState | undefined;
  #rulerDrawn = "";
  #width = 0;
  readonly #resized = new ResizeObserver(() => this.#resize());

  constructor(actions: TimelineActions) {
    this.#actions = actions;
    this.slider = h("div", { class: "strip ruler", role: "slider", tabindex: 0, "aria-valuemin": 0 }, this.#ruler);
    this.slider.addEventListener("keydown", (event) => this.#key(event));
    scrubbed(this.slider, (share) => this.#seekTo(share));
    this.element = h("div", { class: "timeline" }, h("div", { class: "row" }, h("span"), this.slider), this.#rows);
  }

  connect(): void {
    this.#resized.observe(this.slider);
  }

  disconnect(): void {
    this.#resized.disconnect();
  }

  update(state: TimelineState): void {
    const words = this.#state?.words;
    this.#state = state;
    const { document, frame, selected } = state;
    const last = document.count - 1;
    if (words !== state.words) {
      setAttribute(this.slider, "aria-label", state.words.frame);
      setAttribute(this.#rows, "aria-label", state.words.timeline);
    }
    setAttribute(this.slider, "aria-valuemax", last);
    setAttribute(this.slider, "aria-valuenow", frame);
    setAttribute(this.slider, "aria-valuetext", fillIn(state.words.frameOf, { frame, last }));
    this.element.style.setProperty("--_at", `${((frame + 0.5) / document.count) * 100}%`);
    const ids = new Set(document.objects.map(({ id }) => id));
    for (const [id, { row }] of this.#items) {
      if (ids.has(id)) continue;
      row.remove();
      this.#items.delete(id);
    }
    // As in the list of objects: what lies on top is first.
    for (const [i, object] of document.objects.toReversed().entries()) {
      const item = this.#items.get(object.id) ?? this.#build(object.id);
      this.#items.set(object.id, item);
      item.update(object, state);
      setAttribute(item.row, "data-selected", object.id === selected);
      if (this.#rows.children[i] !== item.row) this.#rows.insertBefore(item.row, this.#rows.children[i] ?? null);
    }
    this.#draw();
  }

  #build(id: number): Row {
    const swatch = h("span", { class: "swatch" });
    const name = h("span", { class: "name" });
    const note = h("span", { class: "note" });
    const choose = h("button", { type: "button", click: () => this.#actions.select(id) }, swatch, name, note);
    const strip = h("canvas", { role: "img" });
    const track = h("div", { class: "strip" }, strip);
    scrubbed(track, (share) => {
      this.#actions.select(id);
      this.#seekTo(share);
    });
    const row = h("li", { class: "row" }, choose, track);
    let told: unknown[] = [];
    const update = (object: VideoEditorObject, { document, frame, selected, words, nameOf }: TimelineState): void => {
      const text = nameOf(object);
      swatch.style.background = css(colourOf(object, document.classes));
      setText(name, text);
      setText(note, noteOf(object.frames[frame], document, words));
      setAttribute(choose, "aria-pressed", String(object.id === selected));
      // Not on every frame of a video that plays.
      const telling = [object.frames, text, words];
      if (telling.every((one, i) => one === told[i])) return;
      told = telling;
      setAttribute(strip, "aria-label", summary(object, document, words, text));
    };
    return { row, strip, update, drawn: undefined };
  }

  #seekTo(share: number): void {
    if (this.#state === undefined) return;
    const { count } = this.#state.document;
    this.#actions.seek(Math.min(count - 1, Math.max(0, Math.floor(share * count))));
  }

  #key(event: KeyboardEvent): void {
    const state = this.#state;
    if (state === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = state.document.count - 1;
    const to = {
      ArrowLeft: state.frame - 1,
      ArrowDown: state.frame - 1,
      ArrowRight: state.frame + 1,
      ArrowUp: state.frame + 1,
      PageDown: state.frame - BIG_STEP,
      PageUp: state.frame + BIG_STEP,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#actions.seek(Math.min(last, Math.max(0, to)));
  }

  #resize(): void {
    this.#width = this.slider.clientWidth;
    this.#rulerDrawn = "";
    for (const item of this.#items.values()) item.drawn = undefined;
    this.#draw();
  }

  /** Draws what is not as it was drawn last. */
  #draw(): void {
    if (this.#state === undefined || this.#width === 0) return;
    const { document } = this.#state;
    const { count, classes } = document;
    const colour = getComputedStyle(this.slider).color;
    const isRulerNew = this.#rulerDrawn !== `${count}/${colour}`;
    if (isRulerNew) {
      this.#rulerDrawn = `${count}/${colour}`;
      drawRuler(surface(this.#ruler, this.slider), count, colour);
    }
    for (const object of document.objects) {
      const item = this.#items.get(object.id);
      if (item === undefined) continue;
      const paint = css(colourOf(object, classes));
      const key: Drawn = { frames: object.frames, paint };
      const before = item.drawn;
      if (!isRulerNew && before?.frames === key.frames && before.paint === paint) continue;
      item.drawn = key;
      drawTrack(surface(item.strip, item.strip.parentElement as HTMLElement), object, document, paint, colour);
    }
  }
}

interface Drawn {
  readonly frames: VideoEditorObject["frames"];
  readonly paint: string;
}

function noteOf(known: ObjectFrame | undefined, size: VideoEditorDocument, words: VideoWords): string {
  if (known === undefined) return words.notTracked;
  if (known.mask === emptyMask(size)) return words.absent;
  const score = known.score === null ? "" : known.score.toFixed(2);
  return [known.prompt === null ? "" : words.prompted, score].filter(Boolean).join(", ");
}

/** What the strip shows, in words. */
function summary({ frames }: VideoEditorObject, size: VideoEditorDocument, words: VideoWords, object: string): string {
  const empty = emptyMask(size);
  const known = Object.entries(frames);
  const absent = known.filter(([, { mask }]) => mask === empty).length;
  const prompted = known.filter(([, { prompt }]) => prompt !== null).map(([frame]) => frame);
  const there = known.length - absent;
  return fillIn(words.trackedOn, { object, prompted: prompted.join(", "), there, absent, count: size.count });
}

/** Calls with shares from 0 to 1 while a pointer is down on it. */
function scrubbed(element: HTMLElement, seek: (share: number) => void): void {
  const at = (event: PointerEvent): void => {
    const { left, width } = element.getBoundingClientRect();
    seek((event.clientX - left) / Math.max(1, width));
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    at(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) at(event);
  });
}

/** A canvas of as many pixels as the screen has there, cleared; its context counts in CSS pixels. */
function surface(canvas: HTMLCanvasElement, { clientWidth, clientHeight }: HTMLElement): CanvasRenderingContext2D {
  canvas.width = Math.round(clientWidth * devicePixelRatio);
  canvas.height = Math.round(clientHeight * devicePixelRatio);
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.setTransform(canvas.width / Math.max(1, clientWidth), 0, 0, canvas.height / Math.max(1, clientHeight), 0, 0);
  return context;
}

const sizeOf = ({ canvas }: CanvasRenderingContext2D): readonly [width: number, height: number] => [
  (canvas.parentElement as HTMLElement).clientWidth,
  (canvas.parentElement as HTMLElement).clientHeight,
];

/** Numbers at round frames, as many as there is room for. */
function drawRuler(context: CanvasRenderingContext2D, count: number, colour: string): void {
  const [width, height] = sizeOf(context);
  const room = 56;
  const step = [1, 2, 5].flatMap((one) => [1, 10, 100, 1e3, 1e4, 1e5].map((ten) => one * ten)).sort((a, b) => a - b);
  const every = step.find((one) => (one * width) / count >= room) ?? count;
  context.fillStyle = colour;
  context.strokeStyle = colour;
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (let frame = 0; frame < count; frame += every) {
    const x = Math.round(((frame + 0.5) / count) * width) + 0.5;
    context.beginPath();
    context.moveTo(x, height - 5);
    context.lineTo(x, height);
    context.stroke();
    const text = String(frame);
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(width - 2 * half, Math.max(0, x - half)), height / 2 - 2);
  }
}

/** A bar where the object is, as high as its score; a line where it is not there; a mark where a person showed it. */
function drawTrack(
  context: CanvasRenderingContext2D,
  object: VideoEditorObject,
  { count, width: w, height: h }: VideoEditorDocument,
  paint: string,
  colour: string,
): void {
  const [width, height] = sizeOf(context);
  const empty = emptyMask({ width: w, height: h });
  const left = (frame: number): number => (frame / count) * width;
  const marks: number[] = [];
  for (const [key, known] of Object.entries(object.frames)) {
    const frame = Number(key);
    const [x, next] = [left(frame), left(frame + 1)];
    const isThere = known.mask !== empty;
    context.fillStyle = isThere ? paint : colour;
    context.globalAlpha = isThere ? 1 : 0.6;
    const tall = isThere ? Math.max(0.25, Math.min(1, known.score ?? 1)) * (height - 8) : 1.5;
    // To whole pixels, without a gap between frames.
    context.fillRect(Math.floor(x), height - 4 - tall, Math.max(1, Math.ceil(next) - Math.floor(x)), tall);
    if (known.prompt !== null) marks.push((x + next) / 2);
  }
  context.globalAlpha = 1;
  const r = 5;
  for (const at of marks) {
    const [x, y] = [Math.min(width - r - 1, Math.max(r + 1, at)), height / 2];
    context.beginPath();
    context.moveTo(x, y - r);
    context.lineTo(x + r, y);
    context.lineTo(x, y + r);
    context.lineTo(x - r, y);
    context.closePath();
    context.fillStyle = "#ffffff";
    context.strokeStyle = "#000000";
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
  }
}
