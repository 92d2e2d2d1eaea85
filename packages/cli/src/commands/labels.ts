/** `masklet labels check` and `masklet labels stats`: what is wrong with labels, and what is in them. */
import { parseArgs } from "node:util";
import { MaskletError } from "@masklet/core/node";
import { type Finding, type LabelStats, labelStats } from "@masklet/labels";
import { type ExitCode, type Host, print } from "../host.ts";
import { allFindings, findingLine } from "../labels/findings.ts";
import { openLabels, readOptions, readSettings } from "../labels/read.ts";
import { type Cell, renderTable, right } from "../table.ts";
import { choiceOption, commonOptions, count, type Help, parsing, renderHelp, UsageError } from "../usage.ts";

const options = {
  ...readOptions,
  strict: { type: "boolean", help: "For check: warnings make the exit code 1, too." },
  json: { type: "boolean", help: "Print it as JSON: findings one a line." },
  ...commonOptions,
} as const;

const help: Help = {
  usage: "masklet labels (check | stats) LABELS... [options]",
  about: `check names what is wrong with labels, by file and place: what cannot be read, what means something else than it says,
what tools drop without a word, and pictures that are missing or of another size. stats counts them: images, objects,
categories, areas.

LABELS is a folder with labels, or a file: COCO's JSON, a data.yaml, CVAT's XML.`,
  sections: { Options: options },
  notes:
    "Exit codes: 0 nothing wrong, 1 errors (with --strict also warnings), or it cannot be read, 2 wrong usage, 130 interrupted.",
  examples: ["masklet labels check instances.json --images train2017", "masklet labels stats data.yaml --json"],
};

export async function labels(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const [given = "", ...paths] = positionals;
  if (given === "") throw new UsageError("needs an action: check or stats");
  const action = choiceOption("labels", given, ["check", "stats"]);
  if (paths.length === 0) throw new UsageError(`${action} needs labels: a folder or a file`);
  const { json = false, strict = false } = values;
  if (strict && action === "stats") throw new UsageError("--strict is for check");
  const settings = readSettings(values);
  let [errors, warnings] = [0, 0];
  for (const path of paths) {
    try {
      const read = await openLabels(path, { ...settings, problems: "collect" }, host.signal);
      if (action === "stats") {
        const stats = labelStats(read.dataset);
        const found = { labels: path, format: read.format, ...stats };
        await print(host, json ? `${JSON.stringify(found)}\n` : statsText(path, read.format, stats));
        continue;
      }
      const findings = await allFindings(read, path);
      errors += findings.filter(({ severity }) => severity === "error").length;
      warnings += findings.filter(({ severity }) => severity === "warning").length;
      for (const finding of findings)
        await print(host, json ? `${JSON.stringify(finding)}\n` : `${findingLine(finding)}\n`);
    } catch (error) {
      if (action === "stats" || host.signal.aborted || !(error instanceof MaskletError)) throw error;
      errors++;
      const { file = path, at = "" } = error.details as { readonly file?: string; readonly at?: unknown };
      const finding: Finding = { severity: "error", file, at: String(at), message: `${error.message} [${error.code}]` };
      await print(host, json ? `${JSON.stringify(finding)}\n` : `${findingLine(finding)}\n`);
    }
  }
  if (action === "check" && !json) {
    const wrong =
      errors + warnings === 0 ? "nothing wrong" : `${count(errors, "error")}, ${count(warnings, "warning")}`;
    await print(host, `${wrong}\n`);
  }
  return errors > 0 || (strict && warnings > 0) ? 1 : 0;
}

function statsText(path: string, format: string, stats: LabelStats): string {
  const { images, unlabelled, empty, objects, shapes, objectsPerImage, sizes, videos, tracks, categories } = stats;
  const kinds = Object.entries(shapes).flatMap(([kind, number]) => (number === 0 ? [] : [`${number} ${kind}`]));
  const shown = sizes.slice(0, 5).map(([width, height, number]) => `${width}x${height} (${number})`);
  const more = sizes.length > shown.length ? ` and ${sizes.length - shown.length} more` : "";
  const { least, mean, most } = objectsPerImage;
  const facts: readonly (readonly Cell[])[] = [
    [
      "images",
      `${images}${empty > 0 ? `, ${empty} empty` : ""}${unlabelled > 0 ? `, ${unlabelled} not labelled` : ""}`,
    ],
    ["sizes", `${shown.join(", ")}${more}`],
    ["objects", `${objects}${kinds.length > 0 ? `: ${kinds.join(", ")}` : ""}`],
    ["to an image", `${least} to ${most}, ${mean.toFixed(1)} on average`],
    ...(videos > 0 || tracks > 0 ? [["videos", `${videos}, ${count(tracks, "track")}`]] : []),
  ];
  const headings = ["objects", "images", "small", "medium", "large", "median area", "crowds"];
  const rows = categories.map(({ name, objects: number, images: showing, areas, medianArea, crowds }) => [
    name ?? "(none)",
    ...[number, showing, areas.small, areas.medium, areas.large, medianArea, crowds].map((one) => right(String(one))),
  ]);
  const table = renderTable([["category", ...headings.map(right)], ...rows]);
  return `${path}: ${format}\n${renderTable(facts)}\n${table}`;
}
