import { MaskError } from "../errors.ts";
import type { LabelMap } from "../eval/masklets.ts";
import type { Size } from "../image/image.ts";
import { checkMaskFits } from "../mask/mask.ts";
import type { FrameResult } from "./frame-result.ts";
import { pixelOwners } from "./overlaps.ts";

/**
 * A frame's objects as one map of their ids, at the video's size: DAVIS's labels. Where objects overlap, the one with the
 * strongest logit wins, the first of equals, as with `nonOverlappingMasks`; the frame itself keeps the overlaps.
 *
 * Throws a `MaskError`: "label-id" for an id that no 8-bit label can hold (1 to 255), "mask-size-mismatch".
 */
export function labelMap({ objects }: Pick<FrameResult, "objects">, { width, height }: Size): LabelMap {
  for (const { id, mask } of objects) {
    if (!(Number.isInteger(id) && id >= 1 && id <= 255)) {
      throw new MaskError("label-id", `labelMap: a label is an id of 1 to 255, got ${id}`, { details: { id } });
    }
    checkMaskFits("labelMap", mask, { width, height });
  }
  const owners = pixelOwners(objects, { width, height });
  const ids = Uint8Array.of(0, ...objects.map(({ id }) => id));
  const data = new Uint8Array(width * height);
  for (let p = 0; p < data.length; p++) data[p] = ids[owners[p] as number] as number;
  return { width, height, data };
}
