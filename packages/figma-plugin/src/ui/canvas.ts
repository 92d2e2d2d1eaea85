/** Shows a picture with its objects, and takes clicks and boxes in the picture's pixels. */
import { type Label, type Mask, type Point, type PromptBox, paletteColour, type RawImage } from "@masklet/core";
import { imageDataFrom } from "@masklet/core/web";
import { h } from "./dom.ts";

export interface CanvasOptions {
  readonly onPoint: (point: Point, label: Label) => void;
  readonly onBox: (box: PromptBox) => void;
}

export interface Shown {
  readonly masks: readonly Mask[];
  readonly points: readonly (readonly [Point, Label])[];
  /** In place of the picture: what will be left of it. */
  readonly cutout: RawImage | undefined;
  /** The corners of what the layer shows of the picture. */
  readonly visible: readonly (readonly [number, number])[];
}

/** Pixels of the screen that a pointer may move in a click. */
const clickReach = 4;

export class PictureCanvas {
  readonly element: HTMLElement;
  readonly #canvas: HTMLCanvasElement = h("canvas", { label: "Picture: click what you want to keep" });
  #picture: OffscreenCanvas | undefined;
  #shown: Shown = { masks: [], points: [], cutout: undefined, visible: [] };
  #over: OffscreenCanvas | undefined;
  #box: readonly [number, number, number, number] | undefined;
  /** From picture to canvas. */
  #scale = 1;
  #left = 0;
  #top = 0;

  constructor({ onPoint, onBox }: CanvasOptions) {
    this.element = h("div", { class: "picture" }, this.#canvas);
    this.#canvas.tabIndex = 0;
    let from: readonly [number, number] | undefined;
    this.#canvas.addEventListener("pointerdown", (event) => {
      if (this.#picture === undefined) return;
      from = [event.offsetX, event.offsetY];
      this.#canvas.setPointerCapture(event.pointerId);
    });
    this.#canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      if (from === undefined || Math.hypot(offsetX - from[0], offsetY - from[1]) <= clickReach) return;
      this.#box = [
        Math.min(from[0], offsetX),
        Math.min(from[1], offsetY),
        Math.abs(offsetX - from[0]),
        Math.abs(offsetY - from[1]),
      ];
      this.#draw();
    });
    const end = (event: PointerEvent): void => {
      const box = this.#box;
      const start = from;
      from = undefined;
      this.#box = undefined;
      this.#draw();
      if (start === undefined || event.type === "pointercancel") return;
      if (box === undefined) {
        const point = this.#pixel(start[0], start[1]);
        if (point !== undefined) onPoint(point, event.altKey || event.button === 2 ? 0 : 1);
        return;
      }
      const [x, y, width, height] = box;
      const [x0, y0] = this.#clamped(x, y);
      const [x1, y1] = this.#clamped(x + width, y + height);
      if (x1 > x0 && y1 > y0) onBox([x0, y0, x1, y1]);
    };
    this.#canvas.addEventListener("pointerup", end);
    this.#canvas.addEventListener("pointercancel", end);
    this.#canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  /** Another picture, or none. */
  open(image: RawImage | undefined): void {
    this.#picture = image === undefined ? undefined : surfaceOf(image);
    this.show({ masks: [], points: [], cutout: undefined, visible: [] });
  }

  show(shown: Shown): void {
    this.#shown = shown;
    this.#over =
      shown.cutout !== undefined ? surfaceOf(shown.cutout) : this.#picture && tinted(this.#picture, shown.masks);
    this.#draw();
  }

  #pixel(x: number, y: number): Point | undefined {
    const { width = 0, height = 0 } = this.#picture ?? {};
    const point = [(x - this.#left) / this.#scale, (y - this.#top) / this.#scale] as const;
    return point[0] >= 0 && point[1] >= 0 && point[0] < width && point[1] < height ? [point[0], point[1]] : undefined;
  }

  #clamped(x: number, y: number): Point {
    const { width = 0, height = 0 } = this.#picture ?? {};
    const within = (value: number, most: number): number => Math.min(most, Math.max(0, value));
    return [within((x - this.#left) / this.#scale, width), within((y - this.#top) / this.#scale, height)];
  }

  #draw(): void {
    const { clientWidth, clientHeight } = this.element;
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(clientWidth * ratio);
    this.#canvas.height = Math.round(clientHeight * ratio);
    const context = this.#canvas.getContext("2d");
    const picture = this.#picture;
    if (context === null || picture === undefined) return;
    const margin = 16;
    this.#scale = Math.min((clientWidth - 2 * margin) / picture.width, (clientHeight - 2 * margin) / picture.height);
    this.#left = (clientWidth - picture.width * this.#scale) / 2;
    this.#top = (clientHeight - picture.height * this.#scale) / 2;
    context.scale(ratio, ratio);
    const area = [this.#left, this.#top, picture.width * this.#scale, picture.height * this.#scale] as const;
    context.imageSmoothingQuality = "high";
    if (this.#shown.cutout !== undefined) checkerboard(context, area);
    else context.drawImage(picture, ...area);
    if (this.#over !== undefined) context.drawImage(this.#over, ...area);
    this.#drawVisible(context);
    const style = getComputedStyle(this.element);
    const colour = (name: string): string => style.getPropertyValue(name);
    for (const [[x, y], label] of this.#shown.points) {
      context.beginPath();
      context.arc(this.#left + x * this.#scale, this.#top + y * this.#scale, 5, 0, 2 * Math.PI);
      context.fillStyle = colour(label === 1 ? "--keep" : "--drop");
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = "#fff";
      context.stroke();
    }
    if (this.#box !== undefined) {
      context.strokeStyle = colour("--brand");
      context.lineWidth = 1;
      context.strokeRect(...this.#box);
    }
  }

  /** What the layer does not show of the picture is dimmed. */
  #drawVisible(context: CanvasRenderingContext2D): void {
    const [first, ...rest] = this.#shown.visible.map(
      ([x, y]) => [this.#left + x * this.#scale, this.#top + y * this.#scale] as const,
    );
    const picture = this.#picture;
    if (first === undefined || picture === undefined) return;
    context.beginPath();
    context.rect(this.#left, this.#top, picture.width * this.#scale, picture.height * this.#scale);
    context.moveTo(...first);
    for (const point of rest) context.lineTo(...point);
    context.closePath();
    context.fillStyle = "rgb(0 0 0 / 45%)";
    context.save();
    context.clip("evenodd");
    context.fillRect(this.#left, this.#top, picture.width * this.#scale, picture.height * this.#scale);
    context.restore();
  }
}

function surfaceOf(image: RawImage): OffscreenCanvas {
  const surface = new OffscreenCanvas(image.width, image.height);
  surface.getContext("2d")?.putImageData(imageDataFrom(image), 0, 0);
  return surface;
}

function tinted({ width, height }: OffscreenCanvas, masks: readonly Mask[]): OffscreenCanvas | undefined {
  if (masks.length === 0) return undefined;
  const pixels = new ImageData(width, height);
  for (const [i, { data }] of masks.entries()) {
    const [r, g, b] = paletteColour(i + 1);
    for (let at = 0; at < data.length; at++) if (data[at] !== 0) pixels.data.set([r, g, b, 140], 4 * at);
  }
  const surface = new OffscreenCanvas(width, height);
  surface.getContext("2d")?.putImageData(pixels, 0, 0);
  return surface;
}

function checkerboard(
  context: CanvasRenderingContext2D,
  [x, y, width, height]: readonly [number, number, number, number],
): void {
  const side = 8;
  const tile = new OffscreenCanvas(2 * side, 2 * side);
  const paint = tile.getContext("2d");
  if (paint === null) return;
  paint.fillStyle = "#fff";
  paint.fillRect(0, 0, 2 * side, 2 * side);
  paint.fillStyle = "#ddd";
  paint.fillRect(0, 0, side, side);
  paint.fillRect(side, side, side, side);
  const pattern = context.createPattern(tile, "repeat");
  if (pattern === null) return;
  context.fillStyle = pattern;
  context.fillRect(x, y, width, height);
}
