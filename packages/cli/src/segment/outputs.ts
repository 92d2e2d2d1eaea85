/** What is written for an image, and what the files are called. */
import { join } from "node:path";
import {
  type CutoutOptions,
  cutout,
  encodeMaskPng,
  encodePng,
  encodeWebp,
  MaskError,
  type OverlayObject,
  overlay,
  type RawImage,
  svgDocument,
} from "@masklet/core/node";
import { fileKey, folded, isUnfinished, listed, prepareFolder, removeMatching } from "../folder.ts";
import { UsageError } from "../usage.ts";
import type { Input } from "./inputs.ts";
import type { FoundMask, ImageRecord } from "./record.ts";

export const formats = ["cutout", "mask", "overlay", "json", "svg"] as const;

export type Format = (typeof formats)[number];

/** How results are made. */
export interface OutputSettings {
  readonly formats: readonly Format[];
  /** Cutouts as WebP instead of PNG. */
  readonly webp: boolean;
  readonly cutout: CutoutOptions;
  /** Of the SVG's outlines, in pixels. */
  readonly tolerance: number;
}

/** One mask among an image's, known before it is computed. */
export type MaskId = Pick<FoundMask, "id" | "multimask">;

/** One file of results. */
export interface Output {
  readonly name: string;
  readonly bytes: Uint8Array | string;
}

/** Cutouts and masks have a file for each mask, the others one for the picture. */
const perMask: readonly Format[] = ["cutout", "mask"];

/** The file names of one format's results, in the order of the masks. */
export function outputNames(
  stem: string,
  format: Format,
  masks: readonly MaskId[],
  { webp }: Pick<OutputSettings, "webp">,
): readonly string[] {
  if (!perMask.includes(format)) return [`${stem}.${format === "overlay" ? "overlay.png" : format}`];
  const ending = format === "cutout" && webp ? "cutout.webp" : `${format}.png`;
  return masks.map((mask) => `${stem}.${masks.length === 1 ? "" : `${maskName(mask)}.`}${ending}`);
}

/** The file names of all of an image's results. */
export function resultNames(
  { stem }: Pick<Input, "stem">,
  masks: readonly MaskId[],
  settings: Pick<OutputSettings, "formats" | "webp">,
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
  settings: Pick<OutputSettings, "formats" | "webp"> & { readonly promptMasks: readonly string[] },
): Promise<void> {
  const read = new Map<string, string>();
  const files = inputs.filter(({ source, url }) => source !== "-" && url === undefined);
  const paths = [...files.map(({ source }) => source), ...settings.promptMasks];
  for (const path of paths) read.set(await fileKey(path), path);
  const target = await fileKey(folder);
  const written = new Map<string, string>();
  for (const { source, stem } of inputs) {
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

/**
 * Makes the folder ready, after a run that was killed too. -> the images whose results are to be made: all, or with
 * `skipExisting` those of which one is missing.
 */
export async function prepareResults(
  folder: string,
  inputs: readonly Input[],
  { namesOf, skipExisting }: { readonly namesOf: (input: Input) => readonly string[]; readonly skipExisting: boolean },
): Promise<readonly Input[]> {
  await prepareFolder(folder);
  const results = new Map(inputs.map((input) => [input, namesOf(input)]));
  const own = [...results.values()].flat();
  await removeMatching(folder, (name) => isUnfinished(name) && own.some((result) => isUnfinished(name, result)));
  if (!skipExisting) return inputs;
  const there = new Set((await listed(folder)).map(folded));
  return inputs.filter((input) => !results.get(input)?.every((name) => there.has(folded(name))));
}

/** The results in one format. Rejects as core's encoders do; a `MaskError` names the object that it is about. */
export async function render(
  format: Format,
  { stem }: Input,
  {
    image,
    found,
    record,
  }: { readonly image: RawImage; readonly found: readonly FoundMask[]; readonly record: ImageRecord },
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
  record: ImageRecord,
  settings: OutputSettings,
): Promise<Uint8Array | string> {
  const [first] = found;
  if (first === undefined) throw new Error(`${format}: no mask to encode`);
  switch (format) {
    case "cutout": {
      const pixels = ofObject(first, () => cutout(image, first.mask, settings.cutout));
      return settings.webp ? encodeWebp(pixels) : encodePng(pixels);
    }
    case "mask":
      return encodeMaskPng(first.mask);
    case "overlay":
      // Three proposals for one object on top of each other would show none of them.
      return encodePng(overlay(image, labelled(found.filter(({ best }) => best))));
    case "svg": {
      const objects = found.map((mask) => ({ mask: mask.mask, id: maskName(mask) }));
      return svgDocument(objects, { tolerance: settings.tolerance });
    }
    case "json":
      return `${JSON.stringify(record, undefined, 2)}\n`;
  }
}

/** With its id on each of several objects. */
function labelled(found: readonly FoundMask[]): readonly OverlayObject[] {
  return found.map(({ mask, id }) => ({ mask, ...(found.length > 1 && { label: id }) }));
}

function ofObject<T>(mask: MaskId, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof MaskError)) throw cause;
    throw new MaskError(cause.code, `object ${maskName(mask)}: ${cause.message}`, { cause, details: cause.details });
  }
}
