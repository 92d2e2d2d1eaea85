import { expect } from "vitest";
import { type Mask, maskIou } from "../../src/mask/mask.ts";
import { decodeRle } from "../../src/mask/rle.ts";

/** How far masks may be from the reference's. */
export interface MaskLimits {
  /** Least IoU of one mask. */
  readonly maskIou: number;
  /** A mask that differs in no more pixels passes whatever its IoU: it may have few. */
  readonly pixels: number;
  /** Least mean IoU of a suite's masks. */
  readonly meanIou: number;
}

/** Pixels that differ between two masks of one size. */
export function pixelsApart(a: Mask, b: Mask): number {
  return a.data.reduce((count, value, i) => count + (value === b.data[i] ? 0 : 1), 0);
}

/** Compares masks with recorded ones, and keeps their IoUs for the mean. */
export class MaskComparison {
  readonly #limits: MaskLimits;
  readonly #ious: number[] = [];

  constructor(limits: MaskLimits) {
    this.#limits = limits;
  }

  /** `least` is this mask's least IoU, where it is not the suite's. */
  expectMask(mask: Mask, counts: readonly number[], where: string, least: number = this.#limits.maskIou): void {
    const expected = decodeRle({ size: [mask.height, mask.width], counts });
    const apart = pixelsApart(mask, expected);
    const iou = maskIou(mask, expected);
    this.#ious.push(iou);
    const { pixels } = this.#limits;
    expect(iou >= least || apart <= pixels, `${where}: ${apart} pixels apart, IoU ${iou}, wanted ${least}`).toBe(true);
  }

  expectMean(): void {
    const mean = this.#ious.reduce((sum, iou) => sum + iou, 0) / this.#ious.length;
    const seen = `mean IoU of ${this.#ious.length} masks, the least ${Math.min(...this.#ious)}`;
    expect(mean, seen).toBeGreaterThanOrEqual(this.#limits.meanIou);
  }
}
