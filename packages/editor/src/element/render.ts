/** One frame: picture, objects, prompts, what a hand is at. Everything but the picture is drawn in screen sizes. */
import type { CompressedRle, Point, PromptBox, Rgb, Ring } from "@masklet/core";
import { type EdgeSettings, pointsOf } from "../document.ts";
import { toStage, type View } from "../view.ts";
import { css } from "./colours.ts";
import type { Shapes } from "./shapes.ts";
import type { Tiles } from "./tiles.ts";

/** How objects are shown over the picture. */
export type Display = "both" | "fill" | "outline" | "none";
/** What is behind the objects: the picture itself, or a ground they are cut out onto. */
export type Backdrop = "picture" | "checker" | "black" | "white" | "colour";

export interface ShownObject {
  readonly rle: CompressedRle;
  readonly colour: Rgb;
  readonly edge: EdgeSettings;
  readonly isSelected: boolean;
  readonly isDraft: boolean;
}

export interface Mark {
  readonly point: Point;
  readonly label: 0 | 1;
  readonly isPending: boolean;
}

export interface Scene {
  readonly view: View;
  readonly tiles: Tiles;
  readonly shapes: Shapes;
  /** Of previews, which come and go. */
  readonly previews: Shapes;
  /** Device pixels in one of CSS. */
  readonly ratio: number;
  readonly objects: readonly ShownObject[];
  readonly display: Display;
  readonly backdrop: Backdrop;
  /** CSS, for the backdrop "colour". */
  readonly ground: string;
  /** The picture as it came. */
  readonly isOriginal: boolean;
  readonly preview: { readonly rle: CompressedRle; readonly colour: Rgb } | undefined;
  readonly marks: readonly Mark[];
  readonly box: PromptBox | null;
  readonly lasso: Ring | null;
  /** The selected object's, with corners to take; `undefined` where it is not to be changed. */
  readonly outline: readonly Ring[] | undefined;
  /** A stroke under way, in the picture's pixels; with a radius it is as wide. */
  readonly stroke:
    | {
        readonly points: readonly Point[];
        readonly radius: number | undefined;
        readonly isNegative: boolean;
        readonly isClosed: boolean;
      }
    | undefined;
  /** The brush's size where it would paint. */
  readonly brush: { readonly at: Point; readonly radius: number } | undefined;
  readonly cursor: Point | undefined;
}

/** The picture and its objects; -> whether another frame is wanted. */
export function renderPicture(context: CanvasRenderingContext2D, scene: Scene): boolean {
  clear(context);
  const { view, tiles, objects, backdrop, isOriginal } = scene;
  if (backdrop !== "picture" && !isOriginal) {
    drawBackdrop(context, scene);
    return drawCutouts(context, scene);
  }
  const isCoarse = tiles.draw(context, view);
  if (!isOriginal) for (const object of objects) drawObject(context, scene, object);
  return isCoarse;
}

/** What changes as a hand moves, on a canvas above the picture's, which need not be drawn again for it. */
export function renderHand(context: CanvasRenderingContext2D, scene: Scene): void {
  clear(context);
  const { view, ratio, preview, isOriginal } = scene;
  if (isOriginal) return;
  if (preview !== undefined) {
    const { rle, colour } = preview;
    inPicture(context, view, () => {
      const path = scene.previews.path(rle);
      context.globalAlpha = 0.25;
      context.fillStyle = css(colour);
      context.fill(path, "evenodd");
      context.globalAlpha = 1;
      context.setLineDash([(5 * ratio) / view.scale, (4 * ratio) / view.scale]);
      line(context, path, scene, css(colour), 2);
    });
  }
  if (scene.outline === undefined) drawPrompt(context, scene);
  else drawOutline(context, scene, scene.outline);
  drawHand(context, scene);
}

function clear(context: CanvasRenderingContext2D): void {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
}

/** Draws in the picture's pixels. */
function inPicture(context: CanvasRenderingContext2D, { scale, x, y }: View, draw: () => void): void {
  context.save();
  context.setTransform(scale, 0, 0, scale, x, y);
  draw();
  context.restore();
}

/** A line of so many CSS pixels on a darker one, to be seen on any ground. */
function line(
  context: CanvasRenderingContext2D,
  path: Path2D,
  { ratio, view }: Scene,
  colour: string,
  width: number,
): void {
  context.lineJoin = "round";
  context.lineWidth = ((width + 1.5) * ratio) / view.scale;
  context.strokeStyle = "rgba(0, 0, 0, 0.6)";
  context.stroke(path);
  context.lineWidth = (width * ratio) / view.scale;
  context.strokeStyle = colour;
  context.stroke(path);
}

function drawObject(context: CanvasRenderingContext2D, scene: Scene, object: ShownObject): void {
  const { display, shapes, view, ratio } = scene;
  if (display === "none") return;
  inPicture(context, view, () => {
    const path = shapes.path(object.rle);
    if (display !== "outline") {
      context.globalAlpha = object.isSelected ? 0.45 : 0.3;
      context.fillStyle = css(object.colour);
      context.fill(path, "evenodd");
      context.globalAlpha = 1;
    }
    if (display !== "fill") {
      if (object.isDraft && !object.isSelected)
        context.setLineDash([(6 * ratio) / view.scale, (4 * ratio) / view.scale]);
      line(context, path, scene, css(object.colour), object.isSelected ? 2.5 : 1.5);
    }
  });
}

function drawBackdrop(context: CanvasRenderingContext2D, { view, tiles, ratio, backdrop, ground }: Scene): void {
  const { width, height } = tiles.image;
  const [x, y] = [Math.max(0, view.x), Math.max(0, view.y)];
  const right = Math.min(context.canvas.width, Math.round(view.x + width * view.scale));
  const bottom = Math.min(context.canvas.height, Math.round(view.y + height * view.scale));
  if (backdrop !== "checker") {
    context.fillStyle = backdrop === "colour" ? ground : backdrop;
    context.fillRect(x, y, right - x, bottom - y);
    return;
  }
  const side = Math.round(8 * ratio);
  context.fillStyle = "#ffffff";
  context.fillRect(x, y, right - x, bottom - y);
  context.fillStyle = "#c8c8c8";
  for (let row = Math.floor(y / side); row * side < bottom; row++) {
    for (let column = Math.floor(x / side); column * side < right; column++) {
      if ((row + column) % 2 === 0) continue;
      const [left, top] = [Math.max(x, column * side), Math.max(y, row * side)];
      context.fillRect(
        left,
        top,
        Math.min(right, (column + 1) * side) - left,
        Math.min(bottom, (row + 1) * side) - top,
      );
    }
  }
}

function drawCutouts(context: CanvasRenderingContext2D, { view, tiles, shapes, objects }: Scene): boolean {
  let isCoarse = false;
  for (const { rle, edge } of objects) {
    if (edge.feather === 0 && edge.decontaminate === 0) {
      context.save();
      inPictureClip(context, view, shapes.path(rle));
      isCoarse = tiles.draw(context, view) || isCoarse;
      context.restore();
      continue;
    }
    const soft = shapes.cutout(tiles.image, rle, edge);
    if (soft === undefined) continue;
    const [x, y] = toStage(view, [soft.x, soft.y]);
    context.imageSmoothingEnabled = view.scale < 3;
    context.drawImage(soft.canvas, x, y, soft.canvas.width * view.scale, soft.canvas.height * view.scale);
  }
  return isCoarse;
}

function inPictureClip(context: CanvasRenderingContext2D, { scale, x, y }: View, path: Path2D): void {
  context.setTransform(scale, 0, 0, scale, x, y);
  context.clip(path, "evenodd");
  context.setTransform(1, 0, 0, 1, 0, 0);
}

function drawPrompt(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, ratio, box, lasso, marks } = scene;
  inPicture(context, view, () => {
    context.setLineDash([(4 * ratio) / view.scale, (3 * ratio) / view.scale]);
    const path = new Path2D();
    if (box !== null) path.rect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
    if (lasso !== null) trace(path, pointsOf(lasso), true);
    line(context, path, scene, "#ffffff", 1.5);
  });
  for (const { point, label, isPending } of marks) {
    const [x, y] = toStage(view, point);
    context.globalAlpha = isPending ? 0.6 : 1;
    context.beginPath();
    context.arc(x, y, 8 * ratio, 0, 2 * Math.PI);
    context.fillStyle = label === 1 ? "#0a7d3c" : "#b3152a";
    context.fill();
    context.lineWidth = 2 * ratio;
    context.strokeStyle = "#ffffff";
    context.stroke();
    // Plus and minus: colour alone says nothing.
    context.beginPath();
    context.moveTo(x - 4 * ratio, y);
    context.lineTo(x + 4 * ratio, y);
    if (label === 1) {
      context.moveTo(x, y - 4 * ratio);
      context.lineTo(x, y + 4 * ratio);
    }
    context.stroke();
    context.globalAlpha = 1;
  }
}

/** Squares where corners are. */
function drawOutline(context: CanvasRenderingContext2D, scene: Scene, rings: readonly Ring[]): void {
  const { view, ratio } = scene;
  inPicture(context, view, () => {
    const path = new Path2D();
    for (const ring of rings) trace(path, pointsOf(ring), true);
    line(context, path, scene, "#ffffff", 1.5);
  });
  const side = 7 * ratio;
  context.lineWidth = 1.5 * ratio;
  context.strokeStyle = "#000000";
  context.fillStyle = "#ffffff";
  context.beginPath();
  for (const point of rings.flatMap(pointsOf)) {
    const [x, y] = toStage(view, point);
    context.rect(x - side / 2, y - side / 2, side, side);
  }
  context.fill();
  context.stroke();
}

function drawHand(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, ratio, stroke, brush, cursor } = scene;
  inPicture(context, view, () => {
    if (stroke !== undefined) {
      const path = new Path2D();
      trace(path, stroke.points, stroke.isClosed);
      if (stroke.radius === undefined) line(context, path, scene, stroke.isNegative ? "#ff8a96" : "#ffffff", 2);
      else {
        context.lineCap = "round";
        context.lineJoin = "round";
        context.lineWidth = 2 * stroke.radius;
        context.strokeStyle = stroke.isNegative ? "rgba(230, 40, 60, 0.5)" : "rgba(40, 160, 255, 0.5)";
        context.stroke(path);
      }
    }
    if (brush !== undefined) {
      const path = new Path2D();
      path.arc(...brush.at, brush.radius, 0, 2 * Math.PI);
      line(context, path, scene, "#ffffff", 1);
    }
  });
  if (cursor === undefined) return;
  const [x, y] = toStage(view, cursor);
  const path = new Path2D();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ] as const) {
    path.moveTo(x + 3 * ratio * dx, y + 3 * ratio * dy);
    path.lineTo(x + 14 * ratio * dx, y + 14 * ratio * dy);
  }
  context.lineWidth = 4 * ratio;
  context.strokeStyle = "#000000";
  context.stroke(path);
  context.lineWidth = 2 * ratio;
  context.strokeStyle = "#ffffff";
  context.stroke(path);
}

/** A single point is drawn too. */
function trace(path: Path2D, points: readonly Point[], isClosed: boolean): void {
  for (const [i, [x, y]] of points.entries()) {
    if (i === 0) path.moveTo(x, y);
    if (i > 0 || points.length === 1) path.lineTo(x, y);
  }
  if (isClosed) path.closePath();
}
