/**
 * Connected components, 8-connected, by runs: a component is a set of horizontal runs joined by union-find as the rows
 * go by, so the work after the first look at the pixels is in runs, not pixels.
 */

import type { Size } from "../image/image.ts";
import { checkKeys, checkOption, type Keys } from "../options.ts";
import { checkMask, type Mask } from "./mask.ts";
import { binarise } from "./postprocess.ts";

/** Run i covers the pixels from `start[i]` up to `end[i]` (flat, end exclusive) and belongs to `component[i]`. */
interface Runs {
  readonly start: Int32Array;
  readonly end: Int32Array;
  readonly component: Int32Array;
  /** Pixels of each component. */
  readonly areas: Int32Array;
}

/**
 * The components of the object (`inside`) or of its background, numbered from 0 in reading order. `reach` is 1 where
 * pixels that touch at a corner are joined, else 0.
 */
function findRuns(data: Uint8Array, { width, height }: Size, inside: boolean, reach: 0 | 1 = 1): Runs {
  let count = 0;
  for (let row = 0; row < data.length; row += width) {
    let before = false;
    for (let i = row; i < row + width; i++) {
      const wanted = (data[i] !== 0) === inside;
      if (wanted && !before) count++;
      before = wanted;
    }
  }
  const start = new Int32Array(count);
  const end = new Int32Array(count);
  const parent = new Int32Array(count);
  const root = (run: number): number => {
    let r = run;
    while (parent[r] !== r) {
      parent[r] = parent[parent[r] as number] as number;
      r = parent[r] as number;
    }
    return r;
  };
  let run = 0;
  let above = 0; // the first run of the row above that may still touch
  for (let y = 0; y < height; y++) {
    const row = y * width;
    const aboveEnd = run;
    for (let i = row; i < row + width; i++) {
      if ((data[i] !== 0) !== inside) continue;
      const from = i;
      while (i < row + width && (data[i] !== 0) === inside) i++;
      start[run] = from;
      end[run] = i;
      parent[run] = run;
      // Runs touch, corners included, where the one above ends at or after our start and starts at or before our end.
      while (above < aboveEnd && (end[above] as number) + width + reach <= from) above++;
      for (let k = above; k < aboveEnd && (start[k] as number) + width < i + reach; k++) {
        const a = root(k);
        const b = root(run);
        if (a < b) parent[b] = a;
        else parent[a] = b;
      }
      run++;
    }
    above = aboveEnd;
  }
  // Roots are the first runs of their components, so one pass numbers them in reading order.
  const component = new Int32Array(count);
  let components = 0;
  for (let i = 0; i < count; i++) component[i] = parent[i] === i ? components++ : (component[root(i)] as number);
  const areas = new Int32Array(components);
  for (let i = 0; i < count; i++) {
    const c = component[i] as number;
    areas[c] = (areas[c] as number) + (end[i] as number) - (start[i] as number);
  }
  return { start, end, component, areas };
}

/** Numbered components of a mask. */
export interface Components {
  /** [height, width]: 0 outside the object, else the component, from 1 in reading order. */
  readonly labels: Int32Array;
  /** Pixels of each component; `areas[0]` is the background's. */
  readonly areas: Int32Array;
}

/** Labels the 8-connected components of a mask. Throws a `MaskError` for what is no mask. */
export function labelComponents(mask: Mask): Components {
  checkMask("labelComponents", mask);
  const runs = findRuns(mask.data, mask, true);
  const labels = new Int32Array(mask.data.length);
  for (let i = 0; i < runs.start.length; i++) {
    labels.fill((runs.component[i] as number) + 1, runs.start[i] as number, runs.end[i] as number);
  }
  const areas = new Int32Array(runs.areas.length + 1);
  areas.set(runs.areas, 1);
  areas[0] = runs.areas.reduce((rest, area) => rest - area, mask.data.length);
  return { labels, areas };
}

/** What `fillMaskHoles` fills and `removeMaskSpecks` removes. */
export interface RegionOptions {
  /** Regions of at most this many pixels. If not given: every hole, and every part but the largest. */
  readonly maxArea?: number;
}

/**
 * The mask with its holes filled: background that the object surrounds, as `maskRegions` has it (joined by edges, not by
 * corners), which at the image's border it never does. Throws a `MaskError` for what is no mask, a `PromptError`
 * "bad-option".
 */
export function fillMaskHoles(mask: Mask, options: RegionOptions = {}): Mask {
  const maxArea = maxAreaOf("fillMaskHoles", mask, options) ?? Number.POSITIVE_INFINITY;
  const { width, height } = mask;
  const { start, end, component, areas } = findRuns(mask.data, mask, false, 0);
  const outside = new Uint8Array(areas.length);
  for (let i = 0; i < start.length; i++) {
    const [from, to] = [start[i] as number, end[i] as number];
    const row = Math.floor(from / width);
    if (row === 0 || row === height - 1 || from % width === 0 || to % width === 0) outside[component[i] as number] = 1;
  }
  const data = mask.data.slice();
  for (let i = 0; i < start.length; i++) {
    const hole = component[i] as number;
    if (outside[hole] === 0 && (areas[hole] as number) <= maxArea) data.fill(1, start[i], end[i]);
  }
  return { width, height, data };
}

/**
 * The mask without its small parts (8-connected components); of equally large ones the first in reading order is the
 * largest. Throws as `fillMaskHoles`.
 */
export function removeMaskSpecks(mask: Mask, options: RegionOptions = {}): Mask {
  const maxArea = maxAreaOf("removeMaskSpecks", mask, options);
  const { width, height } = mask;
  const { start, end, component, areas } = findRuns(mask.data, mask, true);
  const largest = areas.reduce((best, area, i) => (area > (areas[best] as number) ? i : best), 0);
  const data = mask.data.slice();
  for (let i = 0; i < start.length; i++) {
    const part = component[i] as number;
    const small = maxArea === undefined ? part !== largest : (areas[part] as number) <= maxArea;
    if (small) data.fill(0, start[i], end[i]);
  }
  return { width, height, data };
}

/** The parts of a mask (8-connected components), each of its size, the largest first. Throws a `MaskError` for no mask. */
export function splitMask(mask: Mask): readonly Mask[] {
  const { labels, areas } = labelComponents(mask);
  const { width, height } = mask;
  const order = Array.from({ length: areas.length - 1 }, (_, i) => i + 1);
  order.sort((a, b) => (areas[b] as number) - (areas[a] as number) || a - b);
  return order.map((part) => {
    const data = new Uint8Array(labels.length);
    for (let i = 0; i < labels.length; i++) if (labels[i] === part) data[i] = 1;
    return { width, height, data };
  });
}

function maxAreaOf(where: string, mask: Mask, options: RegionOptions): number | undefined {
  checkKeys(where, options, regionKeys);
  checkMask(where, mask);
  const { maxArea } = options;
  if (maxArea !== undefined) checkOption(where, { maxArea }, "a number from 0", maxArea >= 0);
  return maxArea;
}

const regionKeys: Keys<RegionOptions> = { maxArea: true };
const smallRegionKeys: Keys<SmallRegionOptions> = {
  width: true,
  height: true,
  maxHoleArea: true,
  maxSpeckArea: true,
  threshold: true,
};

/** What `removeSmallRegions` removes. */
export interface SmallRegionOptions extends Size {
  /** Background components of at most this many pixels are filled; 0, the default, leaves them. */
  readonly maxHoleArea?: number;
  /** Foreground components of at most this many pixels are dropped; 0, the default, leaves them. */
  readonly maxSpeckArea?: number;
  /** The logit above which a pixel belongs to the mask; 0 if not given. */
  readonly threshold?: number;
}

/**
 * One mask's logits [height, width] with small holes set to `threshold + 10` and small specks to `threshold - 10`. Both
 * are found in the mask as it came, 8-connected; regions at the border count too. Returns a copy.
 * Reference: sam2/utils/transforms.py, postprocess_masks.
 */
export function removeSmallRegions(logits: Float32Array, options: SmallRegionOptions): Float32Array {
  checkKeys("removeSmallRegions", options, smallRegionKeys);
  const { width, height, maxHoleArea = 0, maxSpeckArea = 0, threshold = 0 } = options;
  const out = logits.slice();
  const mask = binarise(logits, threshold);
  checkMask("removeSmallRegions", { width, height, data: mask });
  if (maxHoleArea > 0) paintSmall(out, findRuns(mask, { width, height }, false), maxHoleArea, threshold + 10);
  if (maxSpeckArea > 0) paintSmall(out, findRuns(mask, { width, height }, true), maxSpeckArea, threshold - 10);
  return out;
}

/** What `fillHoles` fills. */
export interface FillHolesOptions extends Size {
  /** The largest hole, in pixels; 8 if not given. */
  readonly maxArea?: number;
  /** The logit it becomes; 0.1 if not given. */
  readonly value?: number;
}

/**
 * One mask's logits [height, width] with its small holes just above zero, as the video path wants them: background
 * (<= 0) components of at most `maxArea` pixels, 8-connected. Returns a copy.
 * Reference: sam2/utils/misc.py, fill_holes_in_mask_scores.
 */
export function fillHoles(
  logits: Float32Array,
  { width, height, maxArea = 8, value = 0.1 }: FillHolesOptions,
): Float32Array {
  const out = logits.slice();
  const mask = binarise(logits);
  checkMask("fillHoles", { width, height, data: mask });
  paintSmall(out, findRuns(mask, { width, height }, false), maxArea, value);
  return out;
}

function paintSmall(
  logits: Float32Array,
  { start, end, component, areas }: Runs,
  maxArea: number,
  value: number,
): void {
  for (let i = 0; i < start.length; i++) {
    if ((areas[component[i] as number] as number) <= maxArea) logits.fill(value, start[i], end[i]);
  }
}
