/** `masklet eval`: how good tracked masks are, as DAVIS and SA-V measure it. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  decodeLabelPng,
  evaluateLabels,
  evaluateMasklet,
  ImageError,
  type LabelMap,
  type Mask,
  type MaskletScore,
} from "@masklet/core/node";
import { type ExitCode, type Host, print } from "../host.ts";
import { type Cell, renderTable } from "../table.ts";
import { commonOptions, type Help, parsing, renderHelp, UsageError } from "../usage.ts";

const options = {
  "all-frames": { type: "boolean", help: "Count the first and the last frame too." },
  json: { type: "boolean", help: "Print it as JSON, from 0 to 1." },
  ...commonOptions,
} as const;

const help: Help = {
  usage: "masklet eval PREDICTIONS LABELS [options]",
  about: `Compare masks with the true ones: region similarity J, contour accuracy F and their mean, in percent, as DAVIS and
SA-V do. Both are folders of PNG files with the same names: one for each frame, whose pixels are object ids (palette or
8-bit grey), or a folder for each object, with a mask for each frame. What only PREDICTIONS has does not count.`,
  sections: { Options: options },
  examples: ["masklet eval out/masks clip.labels", "masklet eval predictions/sav_000001 labels/sav_000001 --json"],
};

/** An object's name and how good its masks are. */
type ObjectScore = readonly [object: string, score: MaskletScore];

export async function evaluate(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const [predictions, labels, ...more] = positionals;
  if (predictions === undefined || labels === undefined || more.length > 0) {
    throw new UsageError(`takes two folders, PREDICTIONS and LABELS, got ${positionals.length}`);
  }
  const settings = { skipFirstAndLast: values["all-frames"] !== true };
  const { folders, files } = await listing(labels);
  const scores: ObjectScore[] = [];
  if (files.length > 0) {
    const [predicted, truth] = [await readMaps(predictions, files, host), await readMaps(labels, files, host)];
    for (const [id, score] of evaluateLabels(predicted, truth, settings).objects) scores.push([String(id), score]);
  }
  for (const object of files.length > 0 ? [] : folders) {
    const frames = (await listing(join(labels, object))).files;
    const [predicted, truth] = [
      await readMaps(join(predictions, object), frames, host),
      await readMaps(join(labels, object), frames, host),
    ];
    scores.push([object, evaluateMasklet(predicted.map(binary), truth.map(binary), settings)]);
  }
  if (scores.length === 0)
    throw new UsageError(`LABELS must hold PNG files or a folder for each object, ${labels} does not`);
  await print(host, values.json === true ? asJson(scores) : asTable(scores));
  return 0;
}

/** The PNG files of a folder, by the number in their names, and its folders. */
async function listing(
  folder: string,
): Promise<{ readonly files: readonly string[]; readonly folders: readonly string[] }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: Error) => {
    throw new ImageError("image-not-found", `${folder}: cannot be read as a folder`, { cause, details: { folder } });
  });
  const byNumber = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });
  const named = (keep: (entry: (typeof entries)[number]) => boolean): readonly string[] =>
    entries
      .filter(keep)
      .map(({ name }) => name)
      .sort(byNumber);
  return {
    files: named((entry) => !entry.isDirectory() && /\.png$/i.test(entry.name)),
    folders: named((entry) => entry.isDirectory()),
  };
}

async function readMaps(folder: string, files: readonly string[], { signal }: Host): Promise<readonly LabelMap[]> {
  const maps: LabelMap[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    const path = join(folder, file);
    const bytes = await readFile(path).catch((cause: Error) => {
      throw new ImageError("image-not-found", `${path}: cannot be read`, { cause, details: { file: path } });
    });
    maps.push(await decodeLabelPng(bytes, path));
  }
  return maps;
}

function binary({ width, height, data }: LabelMap): Mask {
  return { width, height, data: data.map((label) => (label === 0 ? 0 : 1)) };
}

function meanOf(scores: readonly ObjectScore[]): MaskletScore {
  const mean = (key: keyof MaskletScore): number =>
    scores.reduce((sum, [, score]) => sum + score[key], 0) / scores.length;
  return { j: mean("j"), f: mean("f"), jAndF: mean("jAndF") };
}

function asJson(scores: readonly ObjectScore[]): string {
  return `${JSON.stringify({ objects: Object.fromEntries(scores), mean: meanOf(scores) }, undefined, 2)}\n`;
}

function asTable(scores: readonly ObjectScore[]): string {
  const percent = (value: number): Cell => ({ text: (100 * value).toFixed(1), right: true });
  const row = (name: string, { j, f, jAndF }: MaskletScore): readonly Cell[] => [
    name,
    percent(j),
    percent(f),
    percent(jAndF),
  ];
  const heading = (text: string): Cell => ({ text, right: true });
  return renderTable([
    ["object", heading("J"), heading("F"), heading("J&F")],
    ...scores.map(([object, score]) => row(object, score)),
    row("mean", meanOf(scores)),
  ]);
}
