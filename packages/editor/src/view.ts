/** Where the picture lies on the screen: arithmetic without a screen. All lengths are device pixels. */
import type { Point, Size } from "@masklet/core";

/** `x` and `y` are where the picture's top left corner is, in whole pixels, so that at scale 1 pixels are pixels. */
export interface View {
  /** Device pixels for each of the picture's. */
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

const MIN_SCALE = 1 / 64;
const MAX_SCALE = 64;
/** A picture is not made larger than this to fill the stage. */
const MAX_FIT = 8;
/** As much of the picture stays in sight. */
const KEPT = 48;

/** All of the picture, in the middle, with a margin. */
export function fitView(picture: Size, stage: Size, margin = 0): View {
  const [width, height] = [Math.max(1, stage.width - 2 * margin), Math.max(1, stage.height - 2 * margin)];
  const wanted = Math.min(width / picture.width, height / picture.height, MAX_FIT);
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, wanted));
  return centred(picture, stage, scale);
}

export function centred(picture: Size, stage: Size, scale: number): View {
  return {
    scale,
    x: Math.round((stage.width - picture.width * scale) / 2),
    y: Math.round((stage.height - picture.height * scale) / 2),
  };
}

/** Larger by `factor`, with what is at `at` (on the stage) staying there. */
export function zoomAt(view: View, factor: number, [x, y]: Point): View {
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: Math.round(x - (x - view.x) * ratio), y: Math.round(y - (y - view.y) * ratio) };
}

export function panBy(view: View, dx: number, dy: number): View {
  return { ...view, x: Math.round(view.x + dx), y: Math.round(view.y + dy) };
}

/** Moved so that some of the picture is in sight. */
export function keepInSight(view: View, picture: Size, stage: Size): View {
  const clamp = (at: number, length: number, room: number): number => {
    const kept = Math.min(KEPT, length, room);
    return Math.round(Math.min(room - kept, Math.max(kept - length, at)));
  };
  return {
    ...view,
    x: clamp(view.x, picture.width * view.scale, stage.width),
    y: clamp(view.y, picture.height * view.scale, stage.height),
  };
}

/** Moved as little as shows a point of the picture, `margin` away from the stage's edge. */
export function reveal(view: View, point: Point, stage: Size, margin: number): View {
  const [x, y] = toStage(view, point);
  const shift = (at: number, room: number): number => {
    const edge = Math.min(margin, room / 2);
    return at < edge ? edge - at : at > room - edge ? room - edge - at : 0;
  };
  return panBy(view, shift(x, stage.width), shift(y, stage.height));
}

export function toPicture({ scale, x, y }: View, [stageX, stageY]: Point): Point {
  return [(stageX - x) / scale, (stageY - y) / scale];
}

export function toStage({ scale, x, y }: View, [pictureX, pictureY]: Point): Point {
  return [x + pictureX * scale, y + pictureY * scale];
}

/** A rectangle that is drawn as one: how coarse it may be, and which tiles are in sight. */
export interface TileRange {
  /** Tiles of level n hold 2^n pixels of the picture in each of theirs. */
  readonly level: number;
  readonly left: number;
  readonly top: number;
  /** Exclusive. */
  readonly right: number;
  readonly bottom: number;
}

/** The tiles of `side` pixels that the stage shows, none of which is finer than the screen. */
export function tilesInSight(view: View, picture: Size, stage: Size, side: number): TileRange {
  const level = Math.max(0, Math.floor(Math.log2(1 / view.scale)));
  const step = side * 2 ** level;
  const [x0, y0] = toPicture(view, [0, 0]);
  const [x1, y1] = toPicture(view, [stage.width, stage.height]);
  return {
    level,
    left: Math.max(0, Math.floor(x0 / step)),
    top: Math.max(0, Math.floor(y0 / step)),
    right: Math.max(0, Math.min(Math.ceil(picture.width / step), Math.ceil(x1 / step))),
    bottom: Math.max(0, Math.min(Math.ceil(picture.height / step), Math.ceil(y1 / step))),
  };
}
