/**
 * Average precision as COCO has it: 10 thresholds of IoU, 101 points of recall, crowds and areas out of range passed over
 * (reference: pycocotools/cocoeval.py, whose every number this is, ties included).
 */

/** A true object, or a predicted one. */
export interface Ranked {
  /** Of predicted ones. */
  readonly score: number;
  /** In pixels: of the mask, or as the file says. */
  readonly area: number;
  /** Predictions in it are neither right nor wrong. */
  readonly crowd: boolean;
}

/** One category in one image. */
export interface Scene {
  readonly predicted: readonly Ranked[];
  readonly truth: readonly Ranked[];
  /** IoU of the p-th predicted with the t-th true one; with a crowd the share of the predicted one in it. */
  readonly iou: (p: number, t: number) => number;
}

/** All between 0 and 1; -1 where there is nothing to count, as pycocotools has it. */
export interface AveragePrecision {
  /** At IoU 0.5 to 0.95. */
  readonly ap: number;
  readonly ap50: number;
  readonly ap75: number;
  /** Objects below 32 x 32 pixels, up to 96 x 96, and above. */
  readonly apSmall: number;
  readonly apMedium: number;
  readonly apLarge: number;
  /** Average recall with 1, 10 and 100 predictions to an image. */
  readonly ar1: number;
  readonly ar10: number;
  readonly ar100: number;
  readonly arSmall: number;
  readonly arMedium: number;
  readonly arLarge: number;
}

const steps = 10;
/** As `numpy.linspace` counts them, to the last bit. */
const thresholds = Array.from({ length: steps }, (_, i) => (i === 9 ? 0.95 : i * ((0.95 - 0.5) / 9) + 0.5));
const recalls = Array.from({ length: 101 }, (_, i) => (i === 100 ? 1 : i * 0.01));
type Range = "all" | "small" | "medium" | "large";
const ranges: Readonly<Record<Range, readonly [least: number, most: number]>> = {
  all: [0, 1e10],
  small: [0, 32 ** 2],
  medium: [32 ** 2, 96 ** 2],
  large: [96 ** 2, 1e10],
};
const limits = [1, 10, 100] as const;

interface Curve {
  /** By threshold, then by point of recall; -1 where there is no true object. */
  readonly precision: readonly (readonly number[])[];
  readonly recall: readonly number[];
}

/** One category's numbers, and what their mean over several categories is made of. */
export class CategoryCurves {
  readonly #curves = new Map<string, Curve | undefined>();

  /** Of the images in the order of their ids, on which ties depend. */
  constructor(scenes: readonly Scene[]) {
    for (const range of Object.keys(ranges) as Range[]) {
      const judged = scenes.flatMap((scene) => judge(scene, ranges[range]) ?? []);
      for (const limit of limits) this.#curves.set(`${range} ${limit}`, accumulate(judged, limit));
    }
  }

  get(range: Range, limit: (typeof limits)[number]): Curve | undefined {
    return this.#curves.get(`${range} ${limit}`);
  }
}

/** What COCO prints, of one category or of several. */
export function summarize(categories: readonly CategoryCurves[]): AveragePrecision {
  const curvesOf = (range: Range, limit: (typeof limits)[number]): readonly Curve[] =>
    categories.flatMap((one) => one.get(range, limit) ?? []);
  const precision = (range: Range = "all", threshold?: number): number =>
    mean(
      curvesOf(range, 100).flatMap((curve) =>
        threshold === undefined ? curve.precision.flat() : (curve.precision[threshold] as readonly number[]),
      ),
    );
  const recall = (range: Range, limit: (typeof limits)[number]): number =>
    mean(curvesOf(range, limit).flatMap((curve) => [...curve.recall]));
  return {
    ap: precision(),
    ap50: precision("all", 0),
    ap75: precision("all", 5),
    apSmall: precision("small"),
    apMedium: precision("medium"),
    apLarge: precision("large"),
    ar1: recall("all", 1),
    ar10: recall("all", 10),
    ar100: recall("all", 100),
    arSmall: recall("small", 100),
    arMedium: recall("medium", 100),
    arLarge: recall("large", 100),
  };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? -1 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Predictions of one image by falling score. By threshold: which are matched, and which do not count. */
interface Judged {
  readonly scores: readonly number[];
  readonly matched: readonly Uint8Array[];
  readonly ignored: readonly Uint8Array[];
  /** True objects that count. */
  readonly wanted: number;
}

function judge({ predicted, truth, iou }: Scene, [least, most]: readonly [number, number]): Judged | undefined {
  if (predicted.length === 0 && truth.length === 0) return undefined;
  const outside = (area: number): boolean => area < least || area > most;
  const passed = truth.map(({ crowd, area }) => crowd || outside(area));
  // Those that count come first, else in their order.
  const order = truth.map((_, t) => t).sort((a, b) => Number(passed[a]) - Number(passed[b]));
  const ranked = predicted
    .map((_, p) => p)
    .sort((a, b) => (predicted[b] as Ranked).score - (predicted[a] as Ranked).score)
    .slice(0, limits[2]);
  const matched = thresholds.map(() => new Uint8Array(ranked.length));
  const ignored = thresholds.map(() => new Uint8Array(ranked.length));
  for (const [k, threshold] of thresholds.entries()) {
    const taken = new Set<number>();
    for (const [d, p] of ranked.entries()) {
      let best = Math.min(threshold, 1 - 1e-10);
      let match = -1;
      for (const t of order) {
        if (taken.has(t) && truth[t]?.crowd !== true) continue;
        // From here on only those that do not count.
        if (match >= 0 && passed[match] === false && passed[t] === true) break;
        const found = iou(p, t);
        if (found < best) continue;
        best = found;
        match = t;
      }
      if (match < 0) {
        if (outside((predicted[p] as Ranked).area)) (ignored[k] as Uint8Array)[d] = 1;
        continue;
      }
      taken.add(match);
      (matched[k] as Uint8Array)[d] = 1;
      if (passed[match] === true) (ignored[k] as Uint8Array)[d] = 1;
    }
  }
  return {
    scores: ranked.map((p) => (predicted[p] as Ranked).score),
    matched,
    ignored,
    wanted: passed.filter((one) => !one).length,
  };
}

function accumulate(images: readonly Judged[], limit: number): Curve | undefined {
  const wanted = images.reduce((sum, one) => sum + one.wanted, 0);
  if (wanted === 0) return undefined;
  const all = images.flatMap((image, i) => image.scores.slice(0, limit).map((score, d) => ({ score, i, d })));
  all.sort((a, b) => b.score - a.score);
  const precision: number[][] = [];
  const recall: number[] = [];
  for (const k of thresholds.keys()) {
    const [rights, precisions]: [number[], number[]] = [[], []];
    let [right, wrong] = [0, 0];
    for (const { i, d } of all) {
      const { matched, ignored } = images[i] as Judged;
      if (ignored[k]?.[d] === 0) {
        if (matched[k]?.[d] === 1) right++;
        else wrong++;
      }
      rights.push(right / wanted);
      precisions.push(right / (wrong + right + Number.EPSILON));
    }
    recall.push(rights.at(-1) ?? 0);
    for (let i = precisions.length - 1; i > 0; i--) {
      precisions[i - 1] = Math.max(precisions[i - 1] as number, precisions[i] as number);
    }
    let at = 0;
    precision.push(
      recalls.map((wantedRecall) => {
        while (at < rights.length && (rights[at] as number) < wantedRecall) at++;
        return precisions[at] ?? 0;
      }),
    );
  }
  return { precision, recall };
}
