import { MaskError } from "../errors.ts";
import type { LabelMap } from "../eval/masklets.ts";
import type { Size } from "../image/image.ts";
import { linearTaps } from "../image/resize.ts";
import { checkMaskFits } from "../mask/mask.ts";
import type { FrameResult, VideoObject } from "./frame-result.ts";

/**
 * A frame's objects as one map of their ids, at the video's size: DAVIS's labels. Where objects overlap, the one with the
 * strongest logit wins, the first of equals, as with `nonOverlappingMasks`; the frame itself keeps the overlaps.
 *
 * Throws a `MaskError`: "label-id" for an id that no 8-bit label can hold (1 to 255), "mask-size-mismatch".
 */
export function labelMap({ objects }: Pick<FrameResult, "objects">, { width, height }: Size): LabelMap {
  const data = new Uint8Array(width * height);
  const logits = objects.map((object) => logitsOf(object, { width, height }));
  for (const [i, { id, mask }] of objects.entries()) {
    if (!(Number.isInteger(id) && id >= 1 && id <= 255)) {
      throw new MaskError("label-id", `labelMap: a label is an id of 1 to 255, got ${id}`, { details: { id } });
    }
    checkMaskFits("labelMap", mask, { width, height });
    for (let at = 0; at < data.length; at++) {
      if (mask.data[at] === 0) continue;
      const holder = data[at] as number; // by its place until all are there
      if (holder === 0 || (logits[i]?.(at) as number) > (logits[holder - 1]?.(at) as number)) data[at] = i + 1;
    }
  }
  for (let at = 0; at < data.length; at++) data[at] = objects[(data[at] as number) - 1]?.id ?? 0;
  return { width, height, data };
}

/** One object's logit at a pixel of the video, rounded as `upsampleLogits` rounds it. */
function logitsOf({ logits, lowResLogits: low }: VideoObject, { width, height }: Size): (at: number) => number {
  if (logits !== undefined) return (at) => logits[at] as number;
  const columns = linearTaps(low.width, width);
  const rows = linearTaps(low.height, height);
  return (at) => {
    const x = at % width;
    const y = (at - x) / width;
    const w = columns.weight[x] as number;
    const v = rows.weight[y] as number;
    const [left, right] = [columns.low[x] as number, columns.high[x] as number];
    const along = (row: number): number =>
      Math.fround(
        (low.data[row * low.width + left] as number) * (1 - w) + (low.data[row * low.width + right] as number) * w,
      );
    return Math.fround(along(rows.low[y] as number) * (1 - v) + along(rows.high[y] as number) * v);
  };
}
