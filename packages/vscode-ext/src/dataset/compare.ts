/** Two label sets of the same pictures: which objects are in both, and what was added, removed or changed. */
import type { Rle } from "@masklet/core";
import { type LabelledImage, type LabelObject, pairUp, shapeMask } from "@masklet/labels";
import { keyOf } from "../labels/link.ts";

export interface Pair {
  /** Places among the objects before and after. */
  readonly before: number;
  readonly after: number;
  readonly iou: number;
  /** Which of them differ: both are the same object, and neither is a change. */
  readonly changed: readonly ("shape" | "class")[];
}

export interface ImageComparison {
  readonly file: string;
  readonly pairs: readonly Pair[];
  /** Places among the objects before. */
  readonly removed: readonly number[];
  /** Places among the objects after. */
  readonly added: readonly number[];
  /** The sizes that labels say differ, so that nothing can be matched. */
  readonly resized: boolean;
  readonly before: LabelledImage | undefined;
  readonly after: LabelledImage | undefined;
}

/** Objects are the same from this IoU on, unless they are equal in every number. */
const sameObject = 0.5;

/** Compares a picture's labels. Objects without an area are matched only where nothing of them has changed. */
export function compareImage(
  file: string,
  before: LabelledImage | undefined,
  after: LabelledImage | undefined,
): ImageComparison {
  const [old, now] = [before?.objects ?? [], after?.objects ?? []];
  const pairs: Pair[] = [];
  const free = new Map<string, number[]>();
  for (const [i, object] of old.entries()) free.set(keyOf(object), [...(free.get(keyOf(object)) ?? []), i]);
  const [oldLeft, nowLeft] = [new Set(old.keys()), new Set(now.keys())];
  for (const [j, object] of now.entries()) {
    const i = free.get(keyOf(object))?.shift();
    if (i === undefined) continue;
    pairs.push({ before: i, after: j, iou: 1, changed: [] });
    oldLeft.delete(i);
    nowLeft.delete(j);
  }
  const resized =
    before !== undefined && after !== undefined && (before.width !== after.width || before.height !== after.height);
  if (!resized && before !== undefined && after !== undefined) {
    const [masksBefore, masksAfter] = [masksOf(before, oldLeft), masksOf(after, nowLeft)];
    for (const { predicted, truth, iou } of pairUp(masksAfter, masksBefore, sameObject)) {
      const [i, j] = [masksBefore[truth]?.place as number, masksAfter[predicted]?.place as number];
      const changed: ("shape" | "class")[] = iou < 1 ? ["shape"] : [];
      if (old[i]?.category !== now[j]?.category) changed.push("class");
      pairs.push({ before: i, after: j, iou, changed });
      oldLeft.delete(i);
      nowLeft.delete(j);
    }
  }
  pairs.sort((a, b) => a.after - b.after);
  return { file, pairs, removed: [...oldLeft], added: [...nowLeft], resized, before, after };
}

function masksOf(
  image: LabelledImage,
  places: ReadonlySet<number>,
): readonly { readonly place: number; readonly rle: Rle }[] {
  return [...places].flatMap((place) => {
    const rle = shapeMask((image.objects[place] as LabelObject).shape, image);
    return rle === undefined ? [] : [{ place, rle }];
  });
}

export function isDifferent({ pairs, removed, added, resized }: ImageComparison): boolean {
  return resized || removed.length > 0 || added.length > 0 || pairs.some(({ changed }) => changed.length > 0);
}

/** What a comparison comes to. */
export interface ComparisonCounts {
  readonly images: number;
  readonly different: number;
  readonly same: number;
  readonly added: number;
  readonly removed: number;
  readonly shape: number;
  readonly class: number;
  readonly resized: number;
}

export const noCounts: ComparisonCounts = {
  images: 0,
  different: 0,
  same: 0,
  added: 0,
  removed: 0,
  shape: 0,
  class: 0,
  resized: 0,
};

export function addCounts(counts: ComparisonCounts, one: ImageComparison): ComparisonCounts {
  const changes = (what: "shape" | "class"): number => one.pairs.filter(({ changed }) => changed.includes(what)).length;
  return {
    images: counts.images + 1,
    different: counts.different + (isDifferent(one) ? 1 : 0),
    same: counts.same + one.pairs.filter(({ changed }) => changed.length === 0).length,
    added: counts.added + one.added.length,
    removed: counts.removed + one.removed.length,
    shape: counts.shape + changes("shape"),
    class: counts.class + changes("class"),
    resized: counts.resized + (one.resized ? 1 : 0),
  };
}

export interface ComparisonReport {
  readonly before: string;
  readonly after: string;
  readonly counts: ComparisonCounts;
  readonly images: readonly {
    readonly file: string;
    readonly resized: boolean;
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly { readonly was: string; readonly is: string; readonly iou: number }[];
  }[];
}

/** The report of what differs, as data. Objects are called by their class. */
export function comparisonReport(before: string, after: string, all: readonly ImageComparison[]): ComparisonReport {
  const nameOf = (image: LabelledImage | undefined, place: number): string =>
    image?.objects[place]?.category ?? "(none)";
  return {
    before,
    after,
    counts: all.reduce(addCounts, noCounts),
    images: all.filter(isDifferent).map((one) => ({
      file: one.file,
      resized: one.resized,
      added: one.added.map((place) => nameOf(one.after, place)),
      removed: one.removed.map((place) => nameOf(one.before, place)),
      changed: one.pairs
        .filter(({ changed }) => changed.length > 0)
        .map((pair) => ({
          was: nameOf(one.before, pair.before),
          is: nameOf(one.after, pair.after),
          iou: Number(pair.iou.toFixed(4)),
        })),
    })),
  };
}

/** The report as Markdown. */
export function reportMarkdown({ before, after, counts, images }: ComparisonReport): string {
  const text = (value: string): string => value.replaceAll(/[\\`*_{}[\]<>|#]/g, "\\$&").replaceAll(/\s+/g, " ");
  const row = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  const lines = [
    `# ${text(before)} and ${text(after)}`,
    "",
    `${counts.different} of ${counts.images} pictures differ.`,
    "",
    row(["same", "added", "removed", "other shape", "other class", "other size of picture"]),
    row(Array.from({ length: 6 }, () => "---:")),
    row([counts.same, counts.added, counts.removed, counts.shape, counts.class, counts.resized]),
    "",
  ];
  if (images.length === 0) return lines.join("\n");
  lines.push(row(["picture", "added", "removed", "changed"]), row(["---", "---", "---", "---"]));
  for (const { file, added, removed, changed, resized } of images) {
    const changes = changed.map(
      ({ was, is, iou }) => `${was === is ? text(is) : `${text(was)} → ${text(is)}`} (IoU ${iou})`,
    );
    lines.push(
      row([
        text(file) + (resized ? " (another size)" : ""),
        added.map(text).join(", "),
        removed.map(text).join(", "),
        changes.join(", "),
      ]),
    );
  }
  return `${lines.join("\n")}\n`;
}
