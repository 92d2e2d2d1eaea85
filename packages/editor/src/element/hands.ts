/** What hands do in the picture: pointers, and the keys that stand for them. */
import {
  type CompressedRle,
  decodeRleAt,
  type Label,
  type Point,
  type PromptBox,
  type Ring,
  rleArea,
} from "@masklet/core";
import type { EditorObject } from "../document.ts";
import type { EditorSession } from "../session.ts";
import { toStage, zoomAt } from "../view.ts";
import { fillIn } from "../words.ts";
import { setAttribute } from "./dom.ts";
import { type Corner, Outline } from "./outline.ts";
import type { Parts } from "./parts.ts";
import { type EditorTool, toolKeys, tools } from "./tools.ts";

/** CSS pixels that a pointer moves before a click is a drag. */
const DRAG = 6;
export const ZOOM_STEP = 1.25;
/** CSS pixels that a corner is taken from. */
const REACH = 12;

/** A tool at work, from pointer down to up, or from Space to Space. */
export interface Hand {
  readonly tool: EditorTool;
  readonly isNegative: boolean;
  readonly start: Point;
  /** In the picture's pixels. */
  readonly points: Point[];
  /** Where the pointer was last, on the stage. */
  at: Point;
  hasMoved: boolean;
  /** What "reshape" has taken; without it, it selects. */
  readonly corner: Corner | undefined;
}

export class Hands {
  readonly #parts: Parts;
  #hand: Hand | undefined;
  readonly #pointers = new Map<number, Point>();
  #isPanning = false;
  #isSpaceDown = false;
  /** Moved by the arrow keys; there once they are used. */
  #cursor: Point | undefined;
  #hover: Point | undefined;
  #preview: CompressedRle | undefined;
  #isPreviewing = false;
  readonly #outline = new Outline();

  constructor(parts: Parts) {
    this.#parts = parts;
    const stage = parts.stage.element;
    stage.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    stage.addEventListener("pointermove", (event) => this.#pointerMove(event));
    stage.addEventListener("pointerup", (event) => this.#pointerUp(event));
    stage.addEventListener("pointercancel", (event) => {
      this.#pointers.delete(event.pointerId);
      this.drop();
    });
    stage.addEventListener("pointerleave", () => {
      this.#hover = undefined;
      this.dropPreview();
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
  }

  /** The tool at work. */
  get hand(): Hand | undefined {
    return this.#hand;
  }

  get cursor(): Point | undefined {
    return this.#cursor;
  }

  /** Where the cursor or the pointer is in the picture. */
  get at(): Point | undefined {
    return this.#cursor ?? this.#hover;
  }

  /** What a click would give. */
  get preview(): CompressedRle | undefined {
    return this.#preview;
  }

  /** The selected object's outline, as a corner under way makes it; for the tool that changes it. */
  get outline(): readonly Ring[] | undefined {
    const { editor } = this.#parts;
    const session = this.#session;
    if (editor.tool !== "reshape" || session === undefined) return undefined;
    const { corner, points } = this.#hand ?? {};
    const to = points?.at(-1);
    return corner === undefined || to === undefined
      ? this.#outline.rings(session)
      : this.#outline.moved(session, corner, to);
  }

  dropPreview(): void {
    this.#preview = undefined;
    this.#parts.stage.schedule();
  }

  /** Gives up the stroke under way. */
  drop(): void {
    this.#hand = undefined;
    this.#isPanning = false;
    this.dropPreview();
  }

  /** Another picture is shown. */
  reset(): void {
    this.drop();
    this.#cursor = undefined;
  }

  get #session(): EditorSession | undefined {
    return this.#parts.editor.session;
  }

  // Pointers

  #pointerDown(event: PointerEvent): void {
    const { stage, editor } = this.#parts;
    if (this.#session === undefined) return;
    stage.element.setPointerCapture(event.pointerId);
    const at = stage.at(event);
    this.#pointers.set(event.pointerId, at);
    this.#cursor = undefined;
    this.#preview = undefined;
    if (event.pointerType === "touch" && this.#pointers.size > 1) {
      this.drop(); // what the first finger began was the beginning of a pinch
      return;
    }
    if (event.button === 1 || this.#isSpaceDown) {
      this.#isPanning = true;
      setAttribute(stage.element, "data-dragging", true);
      event.preventDefault();
      return;
    }
    // The eraser's end of a pen is button 5.
    const isOther = event.button === 2 || event.button === 5 || event.shiftKey || event.altKey;
    if (event.button !== 0 && !isOther) return;
    this.#begin(at, isOther !== editor.notOnIt);
    if (editor.tool === "select") setAttribute(stage.element, "data-dragging", true);
  }

  #pointerMove(event: PointerEvent): void {
    const { stage } = this.#parts;
    const at = stage.at(event);
    const before = this.#pointers.get(event.pointerId);
    if (before !== undefined && this.#pointers.size === 2 && event.pointerType === "touch") {
      const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      this.#pointers.set(event.pointerId, at);
      if (other !== undefined) this.#pinch(before, at, other);
      return;
    }
    if (before !== undefined) this.#pointers.set(event.pointerId, at);
    if (this.#isPanning && before !== undefined) {
      stage.pan(at[0] - before[0], at[1] - before[1]);
      return;
    }
    if (this.#hand !== undefined) {
      // All the points between two frames: a fast stroke stays round.
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const one of passed.length > 0 ? passed : [event]) this.#move(stage.at(one));
      return;
    }
    if (event.pointerType === "touch") return;
    this.#hover = stage.isInPicture(at) ? stage.inPicture(at) : undefined;
    void this.#previewAt();
    stage.schedule();
  }

  #pointerUp(event: PointerEvent): void {
    const { stage } = this.#parts;
    this.#pointers.delete(event.pointerId);
    setAttribute(stage.element, "data-dragging", undefined);
    if (this.#isPanning) this.#isPanning = false;
    else this.#end(stage.at(event));
  }

  #pinch(before: Point, now: Point, other: Point): void {
    const { stage } = this.#parts;
    const distance = (a: Point, b: Point): number => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const middle = (a: Point, b: Point): Point => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const [from, to] = [middle(before, other), middle(now, other)];
    stage.setView(zoomAt(stage.view, distance(now, other) / distance(before, other), from));
    stage.pan(to[0] - from[0], to[1] - from[1]);
  }

  /** As VS Code's image preview: the wheel scrolls, and zooms with Ctrl, which is what a pinch on a trackpad sends. */
  #wheel(event: WheelEvent): void {
    const { stage } = this.#parts;
    event.preventDefault();
    const unit = event.deltaMode === 0 ? 1 : 16;
    if (event.ctrlKey || event.metaKey) {
      stage.zoomBy(Math.exp(-Math.max(-50, Math.min(50, event.deltaY * unit)) / 100), stage.at(event));
      return;
    }
    const [dx, dy] = [event.deltaX * unit * stage.ratio, event.deltaY * unit * stage.ratio];
    if (event.shiftKey) stage.pan(-dy, -dx);
    else stage.pan(-dx, -dy);
  }

  // Tools

  #begin(at: Point, isNegative: boolean): void {
    const { stage, editor } = this.#parts;
    const tool = editor.tool === "brush" && isNegative ? "erase" : editor.tool;
    if (tool === "point" && !stage.isInPicture(at)) return;
    const session = this.#session;
    const reach = REACH * stage.ratio;
    const corner =
      tool === "reshape" && session !== undefined ? this.#outline.take(session, stage.view, at, reach) : undefined;
    this.#hand = { tool, isNegative, start: at, points: [stage.inPicture(at)], at, hasMoved: false, corner };
    stage.schedule();
  }

  #move(at: Point): void {
    const { stage } = this.#parts;
    const hand = this.#hand;
    if (hand === undefined) return;
    const far = Math.hypot(at[0] - hand.start[0], at[1] - hand.start[1]) > DRAG * stage.ratio;
    if (hand.tool === "select" && (far || hand.hasMoved)) stage.pan(at[0] - hand.at[0], at[1] - hand.at[1]);
    hand.at = at;
    hand.hasMoved ||= far;
    // A click that becomes a drag is a box.
    if (hand.tool === "point" && hand.hasMoved && !hand.isNegative) this.#hand = { ...hand, tool: "box" };
    this.#hand?.points.push(stage.inPicture(at));
    stage.schedule();
  }

  #end(at: Point): void {
    const { stage, editor, attempt, tell } = this.#parts;
    const hand = this.#hand;
    if (hand === undefined) return;
    this.#hand = undefined;
    stage.schedule();
    const { tool, points, start, corner } = hand;
    const label: Label = hand.isNegative ? 0 : 1;
    if (corner !== undefined) {
      // A corner that is only touched stays; one that is not wanted goes.
      const isLeft = !hand.isNegative && !corner.isNew && !hand.hasMoved;
      const to = hand.isNegative ? undefined : stage.inPicture(at);
      if (!isLeft && !(hand.isNegative && corner.isNew)) {
        attempt((session) => this.#outline.put(session, this.#outline.moved(session, corner, to)));
      }
      return;
    }
    if (tool === "select" || tool === "reshape") {
      if (!hand.hasMoved) this.#selectAt(stage.inPicture(at));
      return;
    }
    if (tool === "brush" || tool === "erase") {
      attempt((session) => session.paintStroke(points, editor.brushSize, tool === "brush" ? "add" : "erase"));
      return;
    }
    if (this.#session?.engine === undefined) {
      tell(editor.engineState === "encoding" ? editor.words.encoding : editor.words.noModel);
      return;
    }
    tell("");
    if (tool === "point") attempt((session) => session.addPoint(stage.inPicture(start), label));
    if (tool === "scribble") attempt((session) => session.addScribble(points, label));
    const box = boxOf(points);
    if (box === null || points.length < 2) return;
    if (tool === "box") attempt((session) => session.setBox(box));
    if (tool === "lasso" && points.length > 2) attempt((session) => session.setLasso(points.flat()));
  }

  /** The smallest object there, and with the next click the one around it. */
  #selectAt([x, y]: Point): void {
    const { isShown, attempt } = this.#parts;
    const session = this.#session;
    if (session === undefined) return;
    const { objects } = session.document;
    const pixel = { x: Math.floor(x), y: Math.floor(y), width: 1, height: 1 };
    const there = objects
      .filter((one) => isShown(one) && decodeRleAt(session.rle(one.id), pixel).data[0] === 1)
      .sort((a, b) => areaOf(session, a) - areaOf(session, b))
      .map(({ id }) => id);
    const at = session.selected === null ? -1 : there.indexOf(session.selected);
    attempt(() => session.select(there[(at + 1) % Math.max(1, there.length)] ?? null));
  }

  /** Shows what a click would give; as fast as the model answers, and never more than one ahead. */
  async #previewAt(): Promise<void> {
    const { editor, stage } = this.#parts;
    const session = this.#session;
    const isWanted = editor.tool === "point" && session?.engine !== undefined && !editor.showsOriginal;
    if (!isWanted || this.#hover === undefined) {
      this.#preview = undefined;
      return;
    }
    if (this.#isPreviewing) return;
    this.#isPreviewing = true;
    const at = this.#hover;
    try {
      const rle = await session.preview(at, editor.notOnIt ? 0 : 1);
      if (session === this.#session && this.#hover !== undefined && this.#hand === undefined) this.#preview = rle;
    } catch {
      this.#preview = undefined; // a click would say why
    }
    this.#isPreviewing = false;
    stage.schedule();
    if (this.#hover !== undefined && this.#hover !== at) void this.#previewAt();
  }

  // Keys

  #keyDown(event: KeyboardEvent): void {
    const session = this.#session;
    if (session === undefined || event.ctrlKey || event.metaKey) return;
    if (this.#key(event, session)) event.preventDefault();
  }

  /** Keys of the picture; -> whether this was one. */
  #key(event: KeyboardEvent, session: EditorSession): boolean {
    const { editor, stage, attempt } = this.#parts;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const tool = tools.find((one) => toolKeys[one] === key);
    const { selected, document } = session;
    if (tool !== undefined && !event.altKey) {
      editor.tool = tool;
      return true;
    }
    if (/^[1-9]$/.test(key)) {
      const named = document.classes[Number(key) - 1];
      if (named !== undefined) attempt(() => session.setClass(named.name));
      return true;
    }
    switch (key) {
      case "ArrowLeft":
      case "ArrowRight":
      case "ArrowUp":
      case "ArrowDown":
        this.#moveCursor(key, event);
        return true;
      case "PageUp":
      case "PageDown":
        return editor.tool === "reshape" && this.#nextCorner(session, key === "PageUp" ? -1 : 1);
      case " ":
        if (this.#cursor === undefined) this.#isSpaceDown = true;
        else if (!event.repeat) this.#useCursor(event.shiftKey !== editor.notOnIt);
        return true;
      case "Escape":
        if (this.#hand !== undefined) this.drop();
        else if (session.pending.length > 0) session.cancelPrompts();
        else if (selected === null)
          return false; // it may mean something to what is around the editor
        else session.select(null);
        return true;
      case "Enter":
        if (selected !== null) attempt(() => session.setState("accepted", [selected]));
        return true;
      case "Delete":
      case "Backspace":
        if (selected !== null) attempt(() => session.remove(selected));
        return true;
      case "+":
      case "=":
        stage.zoomBy(ZOOM_STEP, this.#cursorOnStage());
        return true;
      case "-":
        stage.zoomBy(1 / ZOOM_STEP, this.#cursorOnStage());
        return true;
      case "0":
        stage.showPixels();
        return true;
      case "f":
        stage.fit();
        return true;
      case "n":
        session.select(null);
        return true;
      case "k":
        editor.notOnIt = !editor.notOnIt;
        return true;
      case "o":
        editor.showsOriginal = !editor.showsOriginal;
        return true;
      case "c": {
        const { candidates = [], candidate = null } = selected === null ? {} : session.object(selected);
        if (candidates.length > 0) {
          attempt(() => session.chooseCandidate(((candidate ?? -1) + 1) % candidates.length));
        }
        return true;
      }
      case "[":
      case "]":
        editor.brushSize = editor.brushSize * (key === "]" ? 1.25 : 0.8);
        return true;
      default:
        return false;
    }
  }

  #cursorOnStage(): Point | undefined {
    return this.#cursor && toStage(this.#parts.stage.view, this.#cursor);
  }

  /** By about a hundredth of what is seen; with Shift ten times, with Alt one pixel. */
  #moveCursor(key: string, { shiftKey, altKey }: KeyboardEvent): void {
    const { stage, editor, say } = this.#parts;
    const { width, height } = this.#session?.document ?? { width: 0, height: 0 };
    const { canvas } = stage;
    const seen = Math.max(1, Math.round((8 * stage.ratio) / stage.view.scale));
    const step = altKey ? 1 : shiftKey ? 10 * seen : seen;
    const [x, y] = this.#cursor ?? stage.inPicture([canvas.width / 2, canvas.height / 2]).map(Math.floor);
    const dx = key === "ArrowLeft" ? -step : key === "ArrowRight" ? step : 0;
    const dy = key === "ArrowUp" ? -step : key === "ArrowDown" ? step : 0;
    // The middle of a pixel.
    const place = (at: number, length: number): number => Math.min(length - 0.5, Math.max(0.5, Math.floor(at) + 0.5));
    const cursor: Point = [place((x ?? 0) + dx, width), place((y ?? 0) + dy, height)];
    this.#cursor = cursor;
    this.#hover = cursor;
    stage.reveal(cursor);
    if (this.#hand !== undefined) {
      this.#move(toStage(stage.view, cursor));
      this.#hand.hasMoved = true; // keys are meant, however small the step
    } else void this.#previewAt();
    say(fillIn(editor.words.cursorAt, { x: Math.floor(cursor[0]), y: Math.floor(cursor[1]) }));
    stage.schedule();
  }

  /** The cursor goes to the next corner of the outline; -> whether there is one. */
  #nextCorner(session: EditorSession, by: 1 | -1): boolean {
    const { stage, editor, say } = this.#parts;
    const corners = this.#outline.corners(session);
    if (corners.length === 0 || this.#hand !== undefined) return false;
    const from = this.#cursor;
    const at = from === undefined ? -1 : corners.findIndex(({ point }) => point.join() === from.join());
    const next = at < 0 ? 0 : (at + by + corners.length) % corners.length;
    const { point } = corners[next] as (typeof corners)[number];
    this.#cursor = point;
    this.#hover = point;
    stage.reveal(point);
    const [x, y] = point.map(Math.round) as [number, number];
    say(fillIn(editor.words.vertexAt, { n: next + 1, count: corners.length, x, y }));
    stage.schedule();
    return true;
  }

  /** Space: a click, or the beginning or the end of a stroke. */
  #useCursor(isNegative: boolean): void {
    const { editor, say } = this.#parts;
    const at = this.#cursorOnStage();
    if (at === undefined || this.#cursor === undefined) return;
    if (this.#hand !== undefined) {
      this.#end(at);
      return;
    }
    this.#begin(at, isNegative);
    const isTaken = this.hand?.corner !== undefined && !isNegative;
    if (editor.tool === "point" || editor.tool === "select" || (editor.tool === "reshape" && !isTaken)) this.#end(at);
    else {
      const [x, y] = this.#cursor.map(Math.floor) as [number, number];
      say(fillIn(editor.words.strokeBegun, { x, y }));
    }
  }
}

/** Around points; `null` if it has no inside. */
export function boxOf(points: readonly Point[]): PromptBox | null {
  const [start, end] = [points[0], points.at(-1)];
  if (start === undefined || end === undefined) return null;
  const [x0, x1] = [Math.min(start[0], end[0]), Math.max(start[0], end[0])];
  const [y0, y1] = [Math.min(start[1], end[1]), Math.max(start[1], end[1])];
  return x0 < x1 && y0 < y1 ? [x0, y0, x1, y1] : null;
}

function areaOf(session: EditorSession, { id }: EditorObject): number {
  return rleArea(session.rle(id));
}
