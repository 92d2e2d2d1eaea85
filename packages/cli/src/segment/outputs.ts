/** What is written for an image, and what the files are called. */
import { basename, dirname, join } from "node:path";
import {
  type CutoutOptions,
  cutout,
  encodeLabelPng,
  encodeMaskPng,
  encodePng,
  encodeWebp,
  MaskError,
  type MaskLabels,
  maskLabels,
  type OverlayObject,
  overlay,
  type RawImage,
  type Size,
  svgDocument,
} from "@masklet/core/node";
import { fileKey, folded, isUnfinished, listed, prepareFolder, removeMatching, unfinishedName } from "../folder.ts";
import { UsageError } from "../usage.ts";
import { version } from "../version.ts";
import type { Input } from "./inputs.ts";
import type { FoundMask, ImageRecord, OutputMode, Segmentation } from "./record.ts";

export const formats = ["cutout", "mask", "overlay", "svg", "label", "coco", "json"] as const;

/** Those of masks that no prompt named. */
export const unpromptedFormats: readonly Format[] = ["label", "coco"];

export type Format = (typeof formats)[number];

/** How results are made. */
export interface OutputSettings {
  readonly formats: readonly Format[];
  /** Cutouts as WebP instead of PNG. */
  readonly webp: boolean;
  readonly cutout: CutoutOptions;
  /** Of the SVG's outlines, in pixels. */
  readonly tolerance: number;
  /** Of segmentations in JSON. */
  readonly mode: OutputMode;
  /** Which mask is seen where several lie, in label images and, of `unprompted`, overlays. */
  readonly order: LabelOrder;
  /**
   * Masks that no prompt named, of which nobody knows how many there will be: they are numbered, however many there are,
   * and overlays show each where it is seen.
   */
  readonly unprompted: boolean;
}

export const labelOrders = ["area", "score", "depth"] as const;

export type LabelOrder = (typeof labelOrders)[number];

/** One mask among an image's, known before it is computed. */
export type MaskId = Pick<FoundMask, "id" | "multimask">;

/** One file of results. */
export interface Output {
  readonly name: string;
  readonly bytes: Uint8Array | string;
}

/** Cutouts and masks have a file for each mask, the others one for the picture. */
const perMask: readonly Format[] = ["cutout", "mask"];

const endings: Readonly<Record<Exclude<Format, "cutout" | "mask">, string>> = {
  overlay: "overlay.png",
  svg: "svg",
  label: "label.png",
  coco: "coco.json",
  json: "json",
};

/** The file names of one format's results, in the order of the masks. */
export function outputNames(
  stem: string,
  format: Format,
  masks: readonly MaskId[],
  { webp, unprompted = false }: NameSettings,
): readonly string[] {
  if (format !== "cutout" && format !== "mask") return [`${stem}.${endings[format]}`];
  const alone = masks.length === 1 && !unprompted;
  return masks.map((mask) => `${stem}.${alone ? "" : `${maskName(mask)}.`}${maskEnding(format, webp)}`);
}

type NameSettings = Pick<OutputSettings, "webp"> & Partial<Pick<OutputSettings, "unprompted">>;

function maskEnding(format: "cutout" | "mask", webp: boolean): string {
  return format === "cutout" && webp ? "cutout.webp" : `${format}.png`;
}

/** The number of a mask whose file is called so, among an image's that are numbered; `undefined` for other files. */
export function maskNumber(
  name: string,
  { stem }: Pick<Input, "stem">,
  { formats: wanted, webp }: Pick<OutputSettings, "formats" | "webp">,
): number | undefined {
  if (!folded(name).startsWith(folded(`${stem}.`))) return undefined;
  const [, number, ending = ""] = /^([1-9]\d*)\.(.*)$/s.exec(folded(name).slice(folded(`${stem}.`).length)) ?? [];
  const isOne = wanted.some(
    (format) => (format === "cutout" || format === "mask") && maskEnding(format, webp) === ending,
  );
  return isOne ? Number(number) : undefined;
}

/** The file names of all of an image's results. */
export function resultNames(
  { stem }: Pick<Input, "stem">,
  masks: readonly MaskId[],
  settings: NameSettings & Pick<OutputSettings, "formats">,
): readonly string[] {
  return settings.formats.flatMap((format) => outputNames(stem, format, masks, settings));
}

/** `1`, or with `--multimask` `1.2`. */
export function maskName({ id, multimask }: MaskId): string {
  return multimask === undefined ? id : `${id}.${multimask}`;
}

/**
 * Throws a `UsageError` if two results would be the same file, or if one would replace an image or a mask that is read.
 */
export async function checkCollisions(
  folder: string,
  inputs: readonly Input[],
  masks: readonly MaskId[],
  settings: NameSettings & Pick<OutputSettings, "formats"> & { readonly promptMasks: readonly string[] },
): Promise<void> {
  const read = new Map<string, string>();
  const files = inputs.filter(({ source, url }) => source !== "-" && url === undefined);
  const paths = [...files.map(({ source }) => source), ...settings.promptMasks];
  for (const path of paths) read.set(await fileKey(path), path);
  const target = await fileKey(folder);
  const written = new Map<string, string>();
  for (const { source, stem } of inputs) {
    for (const [key, path] of settings.unprompted ? read : []) {
      if (dirname(key) !== target || maskNumber(basename(key), { stem }, settings) === undefined) continue;
      throw new UsageError(`a mask of ${source} may replace ${path}, which is read; give another folder (-o)`);
    }
    for (const name of resultNames({ stem }, masks, settings)) {
      const key = join(target, folded(name));
      const other = written.get(key);
      if (other !== undefined) {
        const both = other === source ? `${source} would give it twice` : `both ${other} and ${source} would give it`;
        throw new UsageError(`${join(folder, name)}: ${both}; take them in turns, into different folders`);
      }
      const replaced = read.get(key);
      if (replaced !== undefined) {
        throw new UsageError(
          `${join(folder, name)} would replace ${replaced}, which is read; give another folder (-o)`,
        );
      }
      written.set(key, source);
    }
  }
}

/** Which files are an input's results. */
export interface ResultFiles {
  /** Those that are known before anything is computed. */
  readonly namesOf: (input: Input) => readonly string[];
  /** Whether a name is one of the results whose number nobody knows before. Default: none is. */
  readonly isNumbered?: (name: string, input: Input) => boolean;
  /** Those of them that an earlier run has made, by its record. */
  readonly numberedNames?: (input: Input) => Promise<readonly string[]>;
  readonly skipExisting: boolean;
}

/**
 * Makes the folder ready, after a run that was killed too. -> the images whose results are to be made: all, or with
 * `skipExisting` those of which one is missing.
 */
export async function prepareResults(
  folder: string,
  inputs: readonly Input[],
  { namesOf, isNumbered = () => false, numberedNames = async () => [], skipExisting }: ResultFiles,
): Promise<readonly Input[]> {
  await prepareFolder(folder);
  const results = new Map(inputs.map((input) => [input, namesOf(input)]));
  const own = [...results.values()].flat();
  const numbered = (name: string): boolean => inputs.some((input) => isNumbered(unfinishedName(name) ?? "", input));
  await removeMatching(
    folder,
    (name) => isUnfinished(name) && (own.some((result) => isUnfinished(name, result)) || numbered(name)),
  );
  if (!skipExisting) return inputs;
  const there = new Set((await listed(folder)).map(folded));
  const allThere = (names: readonly string[]): boolean => names.every((name) => there.has(folded(name)));
  const left: Input[] = [];
  for (const input of inputs) {
    if (!allThere(results.get(input) ?? []) || !allThere(await numberedNames(input))) left.push(input);
  }
  return left;
}

/** The results in one format. Rejects as core's encoders do; a `MaskError` names the object that it is about. */
export async function render(
  format: Format,
  { stem }: Input,
  {
    image,
    found,
    record,
  }: { readonly image: RawImage; readonly found: readonly FoundMask[]; readonly record: ImageRecord<Segmentation> },
  settings: OutputSettings,
): Promise<readonly Output[]> {
  const names = outputNames(stem, format, found, settings);
  const outputs: Output[] = [];
  for (const [i, name] of names.entries()) {
    const here = perMask.includes(format) ? found.slice(i, i + 1) : found;
    outputs.push({ name, bytes: await encode(format, image, here, record, settings) });
  }
  return outputs;
}

async function encode(
  format: Format,
  image: RawImage,
  found: readonly FoundMask[],
  record: ImageRecord<Segmentation>,
  settings: OutputSettings,
): Promise<Uint8Array | string> {
  switch (format) {
    case "cutout": {
      const first = onlyOf(found);
      const pixels = ofObject(first, () => cutout(image, first.mask, settings.cutout));
      return settings.webp ? encodeWebp(pixels) : encodePng(pixels);
    }
    case "mask":
      return encodeMaskPng(onlyOf(found).mask);
    case "overlay":
      return encodePng(overlay(image, settings.unprompted ? seen(image, found, settings) : labelled(found)));
    case "svg": {
      const objects = found.map((one) => ({
        get mask() {
          return one.mask;
        },
        id: maskName(one),
      }));
      // A document needs a mask for its size.
      const none = { mask: { ...sizeOf(image), data: new Uint8Array(image.width * image.height) } };
      return svgDocument(objects.length === 0 ? [none] : objects, { tolerance: settings.tolerance });
    }
    case "label":
      return encodeLabelPng(labelsOf(image, found, settings));
    case "coco":
      return `${JSON.stringify(cocoOf(record), undefined, 2)}\n`;
    case "json":
      return `${JSON.stringify(record, undefined, 2)}\n`;
  }
}

const sizeOf = ({ width, height }: RawImage): Size => ({ width, height });

function onlyOf(found: readonly FoundMask[]): FoundMask {
  const [first] = found;
  if (first === undefined) throw new Error("no mask to encode");
  return first;
}

/** Of three proposals for one object the best: on top of each other they would show none. Several with their ids. */
function labelled(found: readonly FoundMask[]): readonly OverlayObject[] {
  const best = found.filter(({ best: isBest }) => isBest);
  return best.map(({ mask, id }) => ({ mask, ...(best.length > 1 && { label: id }) }));
}

/** The number of the mask that is seen at each pixel, 0 for none. */
function labelsOf(image: RawImage, found: readonly FoundMask[], { order }: OutputSettings): MaskLabels {
  if (found.length === 0) return { ...sizeOf(image), data: new Uint16Array(image.width * image.height) };
  return maskLabels(
    found.map(({ rle }) => rle),
    order,
  );
}

/** Each mask where it is seen: colours of masks on top of each other would run into one. Made one at a time. */
function seen(image: RawImage, found: readonly FoundMask[], settings: OutputSettings): readonly OverlayObject[] {
  const { data } = labelsOf(image, found, settings);
  return found.map(({ label }, i) => ({
    get mask() {
      const pixels = new Uint8Array(data.length);
      for (const [at, number] of data.entries()) if (number === i + 1) pixels[at] = 1;
      return { ...sizeOf(image), data: pixels };
    },
    ...(label === undefined ? {} : { label }),
  }));
}

/** A record as a file of COCO's instances, of one image. */
function cocoOf({ image, annotations, categories, model }: ImageRecord<Segmentation>): object {
  const { image_id: id = 1, ...picture } = image;
  return {
    info: { description: `masklet ${version}, ${model.name}`, model },
    images: [{ id, ...picture }],
    categories: categories ?? [{ id: 1, name: "object" }],
    annotations: annotations.map((annotation) => ({
      category_id: 1,
      ...annotation,
      image_id: id,
      iscrowd: 0,
    })),
  };
}

function ofObject<T>(mask: MaskId, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof MaskError)) throw cause;
    throw new MaskError(cause.code, `object ${maskName(mask)}: ${cause.message}`, { cause, details: cause.details });
  }
}
