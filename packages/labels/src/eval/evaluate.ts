/** How good labels are, beside true ones. */

import { type Box, type Rle, rleBox } from "@masklet/core";
import { checkKeys } from "@masklet/core/backend";
import { LabelError } from "../errors.ts";
import { baseName, stem } from "../files.ts";
import { hasMask, shapeBox, shapeMask } from "../geometry/object.ts";
import { rleIntersection, runsArea } from "../geometry/rle.ts";
import type { Dataset, LabelledImage, LabelObject } from "../model.ts";
import { type AveragePrecision, CategoryCurves, type Scene, summarize } from "./average-precision.ts";
import { type MaskScores, maskScores, noScores, pairUp, shareWithin } from "./pairs.ts";

export interface EvaluateLabelsOptions {
  /** Predictions with a lower score do not count for anything but average precision. 0 if not given. */
  readonly minScore?: number;
}

/** Panoptic quality, 0 to 1 (Kirillov et al., 2019): `pq` is `sq` times `rq`. */
export interface PanopticQuality {
  readonly pq: number;
  /** Mean IoU of what is recognised. */
  readonly sq: number;
  /** How much is recognised: the F1 of pairs with an IoU above 0.5. */
  readonly rq: number;
}

/** Of true objects, each with the predicted one that fits it best: means, 0 where there is none. */
export interface PairScores extends MaskScores {
  /** (IoU + F) / 2, as DAVIS has it. */
  readonly jAndF: number;
}

export interface LabelScores {
  readonly objects: number;
  readonly predicted: number;
  /** Of masks and of boxes; `undefined` where one side has none. */
  readonly masks: AveragePrecision | undefined;
  readonly boxes: AveragePrecision | undefined;
  readonly pairs: PairScores | undefined;
  readonly panoptic: PanopticQuality | undefined;
}

export interface CategoryScores extends LabelScores {
  /** `undefined`: labels without classes. */
  readonly name: string | undefined;
}

export interface LabelsEvaluation extends LabelScores {
  readonly images: number;
  /** Mean of `pairs` is over objects, of all else over categories that have true objects. */
  readonly categories: readonly CategoryScores[];
  /** Images that only the predictions have: they do not count. */
  readonly unknownImages: readonly string[];
  /** Predicted categories that the truth does not have: they do not count. */
  readonly unknownCategories: readonly string[];
  /** Objects of either side without a mask, which count for boxes alone. */
  readonly withoutMask: number;
  /** Predictions without a score, which count as sure. */
  readonly withoutScore: number;
}

/** An object with what is asked of it often. */
interface Subject {
  readonly object: LabelObject;
  readonly rle: Rle | undefined;
  readonly box: Box;
  readonly area: number;
  readonly score: number;
}

/**
 * Compares predicted labels with true ones: COCO's average precision and recall (equal to pycocotools'), IoU, boundary IoU and
 * J&F of each true object with what fits it best, panoptic quality. Images are the same by name, else by name without folder
 * and ending; categories by name. Throws a `LabelError` "annotation-invalid" where sizes of an image differ, or no
 * image is the same.
 */
export function evaluateDataset(
  predicted: Dataset,
  truth: Dataset,
  options: EvaluateLabelsOptions = {},
): LabelsEvaluation {
  checkKeys("evaluateDataset", options, { minScore: true });
  const { minScore = 0 } = options;
  const images = matchImages(predicted, truth);
  const names = new Set<string | undefined>(truth.categories.map(({ name }) => name));
  for (const { objects } of truth.images) for (const { category } of objects) names.add(category);
  const kinds = [...names].filter((name) => name === undefined || truth.categories.some((one) => one.name === name));
  const pictures = images.pairs.map(([ours, theirs]) => ({
    ours: ours?.objects.map((object) => subjectOf(object, theirs)) ?? [],
    theirs: theirs.objects.map((object) => subjectOf(object, theirs)),
  }));
  const all = pictures
    .flatMap(({ ours, theirs }) => [...ours, ...theirs])
    .filter(({ object }) => object.shape.kind !== "points");
  const side = (which: "ours" | "theirs"): readonly Subject[] => pictures.flatMap((picture) => picture[which]);
  const has = (test: (one: Subject) => boolean): boolean => side("ours").some(test) && side("theirs").some(test);
  const masks = has(({ rle }) => rle !== undefined);
  const measured = kinds.map((name) => {
    const own = pictures.map(({ ours, theirs }) => ({
      ours: ours.filter(({ object }) => object.category === name),
      theirs: theirs.filter(({ object }) => object.category === name),
    }));
    return { name, ...measure(own, { masks, minScore }) };
  });
  const counted = measured.filter(({ objects }) => objects > 0);
  const used = new Set(side("ours").map(({ object }) => object.category));
  const averaged = (which: "maskCurves" | "boxCurves"): AveragePrecision | undefined => {
    const curves = measured.flatMap((one) => one[which] ?? []);
    return curves.length === 0 ? undefined : summarize(curves);
  };
  return {
    images: pictures.length,
    objects: side("theirs").length,
    predicted: side("ours").length,
    masks: averaged("maskCurves"),
    boxes: averaged("boxCurves"),
    pairs: meanPairs(measured.flatMap(({ pairScores }) => pairScores)),
    panoptic: masks ? meanQuality(measured.flatMap(({ panoptic }) => panoptic ?? [])) : undefined,
    categories: counted.map(({ name, objects, predicted: number, maskCurves, boxCurves, pairScores, panoptic }) => ({
      name,
      objects,
      predicted: number,
      masks: maskCurves && summarize([maskCurves]),
      boxes: boxCurves && summarize([boxCurves]),
      pairs: meanPairs(pairScores),
      panoptic,
    })),
    unknownImages: images.unknown,
    unknownCategories: [...used].flatMap((name) => (names.has(name) ? [] : [name ?? "(none)"])),
    withoutMask: masks ? all.filter(({ rle }) => rle === undefined).length : 0,
    withoutScore: side("ours").filter(({ object }) => object.score === undefined).length,
  };
}

function subjectOf(object: LabelObject, image: LabelledImage): Subject {
  const rle = hasMask(object) ? shapeMask(object.shape, image) : undefined;
  const box = object.box ?? (rle === undefined ? shapeBox(object.shape, image) : rleBox(rle));
  const area = object.area ?? (rle === undefined ? box.width * box.height : runsArea(rle));
  return { object, rle, box, area, score: object.score ?? 1 };
}

/** Images of both sides, in the order of the truth's ids where those are numbers. */
function matchImages(
  predicted: Dataset,
  truth: Dataset,
): {
  readonly pairs: readonly (readonly [LabelledImage | undefined, LabelledImage])[];
  readonly unknown: readonly string[];
} {
  const name = (file: string): string => stem(baseName(file)).normalize("NFC");
  const byFile = new Map(predicted.images.map((image) => [image.file, image]));
  const byName = new Map<string, LabelledImage[]>();
  for (const image of predicted.images) byName.set(name(image.file), [...(byName.get(name(image.file)) ?? []), image]);
  const used = new Set<LabelledImage>();
  const pairs = truth.images.map((image): readonly [LabelledImage | undefined, LabelledImage] => {
    const named = byName.get(name(image.file)) ?? [];
    const found = byFile.get(image.file) ?? (named.length === 1 ? named[0] : undefined);
    if (found === undefined) return [undefined, image];
    if (used.has(found)) {
      throw new LabelError(
        "annotation-invalid",
        `${found.file}: two images of the truth are called so, apart from folder and ending`,
        {
          details: { file: found.file },
        },
      );
    }
    used.add(found);
    if (found.width !== image.width || found.height !== image.height) {
      throw new LabelError(
        "annotation-invalid",
        `${found.file}: is ${found.width}x${found.height} in the predictions, ${image.width}x${image.height} in the truth`,
        { details: { file: found.file } },
      );
    }
    return [found, image];
  });
  if (used.size === 0 && predicted.images.length > 0) {
    throw new LabelError(
      "annotation-invalid",
      `no image is the same: predicted is ${predicted.images[0]?.file}, the truth has ${truth.images[0]?.file ?? "none"}`,
      { details: { file: predicted.images[0]?.file } },
    );
  }
  const numbered = truth.images.every(({ id }) => typeof id === "number" || typeof id === "bigint");
  if (numbered) pairs.sort(([, a], [, b]) => ((a.id as number) < (b.id as number) ? -1 : 1));
  return { pairs, unknown: predicted.images.filter((image) => !used.has(image)).map(({ file }) => file) };
}

interface Picture {
  readonly ours: readonly Subject[];
  readonly theirs: readonly Subject[];
}

/** One category. */
function measure(
  pictures: readonly Picture[],
  { masks, minScore }: { readonly masks: boolean; readonly minScore: number },
): {
  readonly objects: number;
  readonly predicted: number;
  readonly maskCurves: CategoryCurves | undefined;
  readonly boxCurves: CategoryCurves;
  readonly pairScores: readonly MaskScores[];
  readonly panoptic: PanopticQuality | undefined;
} {
  const scene = ({ ours, theirs }: Picture, iou: (a: Subject, b: Subject) => number): Scene => {
    const ious = new Map<number, number>();
    const ranked = ({ score, area, object }: Subject): Scene["truth"][number] => ({
      score,
      area,
      crowd: object.crowd === true,
    });
    return {
      predicted: ours.map(ranked),
      truth: theirs.map(ranked),
      iou: (p, t) => {
        const key = p * theirs.length + t;
        const known = ious.get(key) ?? iou(ours[p] as Subject, theirs[t] as Subject);
        ious.set(key, known);
        return known;
      },
    };
  };
  const drawn = pictures.map(({ ours, theirs }) => ({
    ours: ours.filter(({ rle }) => rle !== undefined),
    theirs: theirs.filter(({ rle }) => rle !== undefined),
  }));
  const boxed = pictures.map(({ ours, theirs }) => ({
    ours: ours.filter(({ object }) => object.shape.kind !== "points"),
    theirs: theirs.filter(({ object }) => object.shape.kind !== "points"),
  }));
  const pairScores: MaskScores[] = [];
  let [sum, right, wrong, missed] = [0, 0, 0, 0];
  for (const { ours, theirs } of masks ? drawn : []) {
    const sure = ours.filter(({ score }) => score >= minScore) as (Subject & { readonly rle: Rle })[];
    const wanted = theirs.filter(({ object }) => object.crowd !== true) as (Subject & { readonly rle: Rle })[];
    const pairs = pairUp(sure, wanted, 0);
    const partner = new Map(pairs.map((pair) => [pair.truth, pair]));
    for (const [t, { rle }] of wanted.entries()) {
      const pair = partner.get(t);
      pairScores.push(
        pair === undefined ? noScores : maskScores((sure[pair.predicted] as { readonly rle: Rle }).rle, rle),
      );
    }
    const found = pairs.filter(({ iou }) => iou > 0.5);
    const crowds = theirs.flatMap(({ object, rle }) => (object.crowd === true && rle !== undefined ? [rle] : []));
    const taken = new Set(found.map(({ predicted }) => predicted));
    for (const { iou } of found) sum += iou;
    right += found.length;
    missed += wanted.length - found.length;
    wrong += sure.filter(({ rle }, p) => !taken.has(p) && shareWithin(rle, crowds) <= 0.5).length;
  }
  const counted = right + wrong / 2 + missed / 2;
  return {
    objects: pictures.reduce((n, { theirs }) => n + theirs.length, 0),
    predicted: pictures.reduce((n, { ours }) => n + ours.length, 0),
    maskCurves: masks ? new CategoryCurves(drawn.map((one) => scene(one, maskOverlap))) : undefined,
    boxCurves: new CategoryCurves(boxed.map((one) => scene(one, boxOverlap))),
    pairScores,
    panoptic: counted === 0 ? undefined : { pq: sum / counted, sq: right === 0 ? 0 : sum / right, rq: right / counted },
  };
}

function maskOverlap(a: Subject, b: Subject): number {
  const both = rleIntersection(a.rle as Rle, b.rle as Rle);
  const own = runsArea(a.rle as Rle);
  const either = b.object.crowd === true ? own : own + runsArea(b.rle as Rle) - both;
  return both === 0 ? 0 : both / either;
}

function boxOverlap({ box: a }: Subject, { box: b, object }: Subject): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  const own = a.width * a.height;
  return both / (object.crowd === true ? own : own + b.width * b.height - both);
}

function meanPairs(scores: readonly MaskScores[]): PairScores | undefined {
  if (scores.length === 0) return undefined;
  const mean = (key: keyof MaskScores): number => scores.reduce((sum, one) => sum + one[key], 0) / scores.length;
  const [iou, boundaryIou, f] = [mean("iou"), mean("boundaryIou"), mean("f")];
  return { iou, boundaryIou, f, jAndF: (iou + f) / 2 };
}

function meanQuality(all: readonly PanopticQuality[]): PanopticQuality | undefined {
  if (all.length === 0) return undefined;
  const mean = (key: keyof PanopticQuality): number => all.reduce((sum, one) => sum + one[key], 0) / all.length;
  return { pq: mean("pq"), sq: mean("sq"), rq: mean("rq") };
}
