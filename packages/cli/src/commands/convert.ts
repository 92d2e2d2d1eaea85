/** `masklet convert`: labels from one format to another, with what is lost said first. */
import { parseArgs } from "node:util";
import { writeFileAtomic } from "@masklet/core/node";
import { type Finding, type LossKind, lossMeanings } from "@masklet/labels";
import { type ExitCode, type Host, print } from "../host.ts";
import { findingLine } from "../labels/findings.ts";
import { openLabels, readOptions, readSettings } from "../labels/read.ts";
import { checkFiles, lossTable, placeOf, writeFiles, writeOptions, writeSettings, written } from "../labels/write.ts";
import { choicesOption, commonOptions, count, type Help, parsing, renderHelp, UsageError } from "../usage.ts";

const what = {
  to: { type: "string", short: "t", value: "FORMAT", help: "The format to write: see below." },
  ...readOptions,
  ...writeOptions,
} as const;

const how = {
  strict: { type: "boolean", help: "Write nothing if anything is lost; exit with 1." },
  allow: {
    type: "string",
    multiple: true,
    value: "LIST",
    help: "With --strict: kinds of loss that may be, by the names of the report.",
  },
  "skip-invalid": {
    type: "boolean",
    help: "Leave out objects that make no sense, each with a line. Without, the first of them ends it.",
  },
  "dry-run": { type: "boolean", help: "Say what would be lost, and write nothing." },
  overwrite: { type: "boolean", help: "Replace files that are there." },
  report: { type: "string", value: "FILE", help: "Write the report as JSON, too." },
  json: { type: "boolean", help: "Print the report as JSON." },
  quiet: { type: "boolean", short: "q", help: "Print errors only (and what --json asks for)." },
  ...commonOptions,
} as const;

const options = { ...what, ...how } as const;

const help: Help = {
  usage: "masklet convert FROM TO --to FORMAT [options]",
  about: `Convert labels. What the new format cannot hold is counted by kind and printed before anything is written.

FROM is a folder with labels, or a file: COCO's JSON, a data.yaml, CVAT's XML. TO is a folder; for formats of one file
also that file. Pictures stay where they are.`,
  sections: { "What to convert": what, How: how },
  notes: `Formats to read: cityscapes, coco, coco-panoptic, coco-results, cvat, davis, label-studio, labelme, labelme-xml, mots,
sa1b, sav, voc, yolo. To write: the same but labelme-xml, and cvat-images and cvat-video for cvat.

Exit codes: 0 done, 1 failed or, with --strict, something would be lost, 2 wrong usage, 130 interrupted.`,
  examples: [
    "masklet convert instances.json yolo --to yolo",
    "masklet convert data.yaml out/instances.json --to coco --dry-run",
    "masklet convert instances.json yolo --to yolo --min-iou 0.98 --strict --allow ids,outline-retraced,simplified",
  ],
};

const lossKinds = Object.keys(lossMeanings) as readonly LossKind[];

export async function convert(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const [from, to, ...more] = positionals;
  if (from === undefined || to === undefined || more.length > 0) {
    throw new UsageError(`takes FROM and TO, got ${positionals.length} of them`);
  }
  if (values.to === undefined) throw new UsageError("needs --to FORMAT: what to write");
  const { strict = false, overwrite = false, json = false, quiet = false, "dry-run": dryRun = false } = values;
  if (values.allow !== undefined && !strict) throw new UsageError(`--allow ${values.allow} is for --strict`);
  const allowed = values.allow === undefined ? [] : choicesOption("--allow", values.allow, lossKinds);
  const { folder, target } = placeOf(to, writeSettings("--to", values.to, values));
  const { signal } = host;
  const problems = values["skip-invalid"] === true ? "collect" : "throw";
  const { format, dataset, findings, read } = await openLabels(from, { ...readSettings(values), problems }, signal);
  if (!quiet && !json) await tell(findings, host);
  const { files, losses } = written(dataset, target);
  const forbidden = losses.filter(({ kind }) => strict && !allowed.includes(kind));
  const report = {
    from: format,
    to: target.format,
    images: dataset.images.length,
    objects: dataset.images.reduce((sum, { objects }) => sum + objects.length, 0),
    losses,
    findings,
    files: files.length,
    written: !dryRun && forbidden.length === 0,
  };
  if (json) await print(host, `${JSON.stringify(report)}\n`);
  else if (!quiet) {
    const all = `${count(report.images, "image")}, ${count(report.objects, "object")}: ${format} to ${target.format}`;
    await print(host, `${all}\n${lossTable(losses)}`);
  }
  const save = async (): Promise<void> => {
    if (values.report === undefined) return;
    await writeFileAtomic(values.report, `${JSON.stringify(report, undefined, 2)}\n`, { signal });
  };
  if (forbidden.length > 0) {
    await save();
    const kinds = forbidden.map(({ kind, count: number }) => `${kind} (${number})`).join(", ");
    host.stderr.write(`masklet convert: nothing is written: --strict, and this would be lost: ${kinds}\n`);
    return 1;
  }
  if (!dryRun) {
    await checkFiles(files, folder, { overwrite, read });
    await writeFiles(files, folder, signal);
    if (!quiet) host.stderr.write(`masklet convert: ${count(files.length, "file")} written to ${folder}\n`);
  }
  await save();
  return 0;
}

/** What is odd about what was read; the first of many. */
async function tell(findings: readonly Finding[], { stderr }: Host): Promise<void> {
  const shown = 20;
  for (const finding of findings.slice(0, shown)) stderr.write(`masklet convert: ${findingLine(finding)}\n`);
  if (findings.length > shown) {
    stderr.write(`masklet convert: and ${findings.length - shown} more: see masklet labels check\n`);
  }
}
