/** The selected object's outline as corners that can be taken: where they are, and what becomes of them. */
import type { Point, Ring } from "@masklet/core";
import { type EditorObject, pointsOf } from "../document.ts";
import type { EditorSession } from "../session.ts";
import { toStage, type View } from "../view.ts";

/** A corner that is taken, of one of the rings; a new one is between that index and the one before. */
export interface Corner {
  readonly ring: number;
  readonly index: number;
  readonly isNew: boolean;
}

/** How far from a straight line corners are left out: of large objects further, so that they can be told apart. */
const SHARE = 1 / 250;

export class Outline {
  #known: { readonly id: number; readonly mask: string; readonly rings: readonly Ring[] } | undefined;
  #tolerance = 1;

  /** Of the selected object. After `put` they stay where they were put. */
  rings(session: EditorSession): readonly Ring[] {
    const object = selectedOf(session);
    if (object === undefined) return [];
    if (this.#known?.id !== object.id || this.#known.mask !== object.mask) {
      const exact = session.outline(0);
      const [xs, ys] = [0, 1].map((axis) => exact.flatMap((ring) => ring.filter((_, i) => i % 2 === axis)));
      const side = Math.max(spread(xs), spread(ys));
      this.#tolerance = Math.max(0.75, side * SHARE);
      this.#known = { id: object.id, mask: object.mask, rings: session.outline(this.#tolerance) };
    }
    return this.#known.rings;
  }

  /** Every corner, ring by ring. */
  corners(session: EditorSession): readonly (Corner & { readonly point: Point })[] {
    return this.rings(session).flatMap((ring, r) =>
      pointsOf(ring).map((point, index) => ({ ring: r, index, isNew: false, point })),
    );
  }

  /** The corner nearest to a point of the stage, or else a new one on the nearest edge, no further away than `reach`. */
  take(session: EditorSession, view: View, [x, y]: Point, reach: number): Corner | undefined {
    let best: Corner | undefined;
    let nearest = reach;
    const near = (distance: number, corner: Corner): void => {
      if (distance > nearest) return;
      nearest = distance;
      best = corner;
    };
    for (const { point, ...corner } of this.corners(session)) {
      const [px, py] = toStage(view, point);
      near(Math.hypot(px - x, py - y), corner);
    }
    if (best !== undefined) return best;
    for (const [r, ring] of this.rings(session).entries()) {
      const points = pointsOf(ring).map((point) => toStage(view, point));
      for (const [i, b] of points.entries()) {
        const a = points.at(i - 1) as Point;
        near(distanceTo([x, y], a, b), { ring: r, index: i, isNew: true });
      }
    }
    return best;
  }

  /** The rings with a corner at `to`; without it, where that is not given. A ring of two corners is none. */
  moved(session: EditorSession, { ring: r, index, isNew }: Corner, to?: Point): readonly Ring[] {
    return this.rings(session).flatMap((ring, i) => {
      if (i !== r) return [ring];
      const points = pointsOf(ring).toSpliced(index, isNew ? 0 : 1, ...(to === undefined ? [] : [to]));
      return points.length < 3 ? [] : [points.flat()];
    });
  }

  /** Changes the object so. */
  put(session: EditorSession, rings: readonly Ring[]): void {
    session.reshape(this.rings(session), rings, this.#tolerance);
    const object = selectedOf(session);
    if (object !== undefined) this.#known = { id: object.id, mask: object.mask, rings };
  }
}

function selectedOf({ selected, document }: EditorSession): EditorObject | undefined {
  return document.objects.find(({ id }) => id === selected);
}

function spread(values: readonly number[] = []): number {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return Math.max(0, most - least);
}

/** From a point to the line between two others. */
function distanceTo([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length));
  return Math.hypot(ax + t * dx - x, ay + t * dy - y);
}
