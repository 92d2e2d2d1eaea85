/** Many masks of one image in relation to each other: which holds which, and one picture of all. */
import { MaskError, PromptError } from "../errors.ts";
import { checkKeys, type Keys } from "../options.ts";
import { type Rle, rleArea, rleBox, rleIntersection } from "./rle.ts";

/** What is in what: parts of a thing, things in a group. */
export interface MaskTree {
  /** For each mask, the index of the smallest that holds it, or `undefined`. */
  readonly parents: readonly (number | undefined)[];
  /** For each mask, how many hold it: 0 for a whole, 1 for its parts, 2 for theirs. */
  readonly depths: readonly number[];
}

export interface MaskTreeOptions {
  /** The share of a mask that must lie in another for this to hold it, above 0.5 to 1. Default 0.9. */
  readonly containment?: number;
}

/**
 * Whole, part, subpart: a mask is held by another that is larger and has at least `containment` of its pixels; of masks
 * of one area the earlier holds the later. Throws a `MaskError` "mask-size-mismatch", or as `rleArea`, or a `PromptError`
 * "bad-option".
 */
export function maskTree(masks: readonly Rle[], options: MaskTreeOptions = {}): MaskTree {
  checkKeys("maskTree", options, treeKeys);
  const { containment = 0.9 } = options;
  if (!(containment > 0.5 && containment <= 1)) {
    throw new PromptError("bad-option", `maskTree: containment must be above 0.5, to 1, got ${containment}`, {
      details: { option: "containment", expected: "above 0.5, to 1", got: containment },
    });
  }
  checkOneSize("maskTree", masks);
  const areas = masks.map(rleArea);
  const boxes = masks.map(rleBox);
  const larger = [...masks.keys()].sort((a, b) => (areas[b] as number) - (areas[a] as number) || a - b);
  const parents = new Array<number | undefined>(masks.length).fill(undefined);
  const depths = new Array<number>(masks.length).fill(0);
  for (const [place, i] of larger.entries()) {
    const [area, box] = [areas[i] as number, boxes[i] as (typeof boxes)[number]];
    // The smallest first: what holds that holds this too, or nearly.
    for (let k = place - 1; k >= 0; k--) {
      const j = larger[k] as number;
      const other = boxes[j] as typeof box;
      const across = Math.min(box.x + box.width, other.x + other.width) - Math.max(box.x, other.x);
      const down = Math.min(box.y + box.height, other.y + other.height) - Math.max(box.y, other.y);
      if (across <= 0 || down <= 0 || across * down < containment * area) continue;
      if (rleIntersection(masks[i] as Rle, masks[j] as Rle) < containment * area) continue;
      parents[i] = j;
      depths[i] = (depths[j] as number) + 1;
      break;
    }
  }
  return { parents, depths };
}

/** One number for each pixel: 0 is no mask, i + 1 the mask at index i. */
export interface MaskLabels {
  readonly width: number;
  readonly height: number;
  /** [height, width]. */
  readonly data: Uint16Array;
}

/**
 * Masks without overlaps, as an image of their numbers: where several lie, the last in `order` (indices, the lowest
 * first) is seen. By score that is the order given, reversed; by area the larger first; by depth, `maskTree`'s, wholes
 * before their parts. Throws as `maskTree`, and a `PromptError` "bad-option" for more masks than 65,535.
 */
export function maskLabels(masks: readonly Rle[], by: "score" | "area" | "depth" = "score"): MaskLabels {
  const [height, width] = masks[0]?.size ?? [0, 0];
  if (masks.length > 65535) {
    throw new PromptError("bad-option", `maskLabels: a label has 16 bits, for 65535 masks, got ${masks.length}`, {
      details: { option: "masks", expected: "65535 masks at most", got: masks.length },
    });
  }
  checkOneSize("maskLabels", masks);
  const data = new Uint16Array(width * height);
  for (const i of paintOrder(masks, by)) {
    const { counts } = masks[i] as Rle;
    let at = 0;
    for (const [k, count] of counts.entries()) {
      if (k % 2 === 1) {
        for (let p = at; p < at + count; p++) data[(p % height) * width + Math.floor(p / height)] = i + 1;
      }
      at += count;
    }
  }
  return { width, height, data };
}

function checkOneSize(where: string, masks: readonly Rle[]): void {
  const [first] = masks;
  const other = masks.find(({ size }) => size.join() !== first?.size.join());
  if (first === undefined || other === undefined) return;
  throw new MaskError("mask-size-mismatch", `${where}: masks are of [${first.size}] and of [${other.size}] pixels`, {
    details: { sizes: [first.size, other.size] },
  });
}

function paintOrder(masks: readonly Rle[], by: "score" | "area" | "depth"): readonly number[] {
  const indices = [...masks.keys()].reverse();
  if (by === "score") return indices;
  const areas = masks.map(rleArea);
  const byArea = (a: number, b: number): number => (areas[b] as number) - (areas[a] as number);
  if (by === "area") return indices.sort(byArea);
  const { depths } = maskTree(masks);
  return indices.sort((a, b) => (depths[a] as number) - (depths[b] as number) || byArea(a, b));
}

const treeKeys: Keys<MaskTreeOptions> = { containment: true };
