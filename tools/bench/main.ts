/**
 * `pnpm bench [--model nano,tiny] [--dtype q8] [--threads N] [--json]`: how much of the machine's peak the models reach.
 *
 * `pnpm bench --against python [--python PATH]` also prints what PyTorch takes for each row with as many threads, where a
 * Python has torch and Meta's package sam2; see against.py. An interruption of Python ends the bench, which prints what it
 * has.
 *
 * `pnpm bench --host` measures what needs no model instead: masks at the video's size, label maps, pictures; see host.ts.
 *
 * `pnpm bench --datasets` (Linux) measures what datasets take: pictures a second of annotate, indexing a large COCO file; see
 * datasets.ts.
 *
 * `pnpm bench --everything [--points N] [--against python]` times automatic masks of one image with N x N points, 32 if not
 * given, and with Python Meta's generator on the same weights; see everything.ts.
 *
 * `pnpm bench --browser` compares the backends in a headless Chromium instead; see browser.ts.
 *
 * `pnpm bench --editor` walks through the editor in a headless Chromium, and fails where a task of the page is long; see
 * editor.ts.
 *
 * `pnpm bench --first-mask [--rounds N]` times a page from being opened to nano's first mask; see first-mask.ts. Where the
 * site is built, its first page too, and fails where that takes too long; see first-mask-site.ts. With `--reports` that and more is written into the site's page of reports; see reports.ts.
 *
 * `pnpm bench --figma` measures the Figma plugin against its budgets; see figma.ts.
 *
 * `pnpm bench --vscode` (Linux) measures the extension in a real workbench against its budgets; see vscode.ts.
 *
 * `pnpm bench --memory` (Linux) measures what some work holds instead, also in a page; see memory.ts, page-memory.ts.
 *
 * Machines differ and are shared, so seconds say little: each row is the median of five warm runs as GFLOP/s over the
 * best product of two 2048 x 2048 matrices that the same runtime reaches with the same threads in turns with it.
 * What other precisions gain is measured in turns with float32. Every row runs in a process of its own, whose peak memory
 * is therefore the row's.
 * The time from a process's start to the first mask is that of the built command line, the fastest of several.
 */
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { precisions } from "@masklet/core";
import { type AgainstOptions, againstPython, besideRow } from "./against.ts";
import { benchInBrowser, printBrowser } from "./browser.ts";
import { benchEditor, editorProblems, printEditor } from "./editor.ts";
import { benchFigma } from "./figma.ts";
import { benchFirstMask } from "./first-mask.ts";
import { benchSite, printSite, siteProblems } from "./first-mask-site.ts";
import { machine } from "./machine.ts";
import { modelFiles } from "./model-files.ts";
import { memoryInPage } from "./page-memory.ts";
import {
  type Against,
  type BudgetRow,
  type Comparison,
  columns,
  type DatasetRow,
  type EverythingRow,
  everythingMark,
  everythingSettings,
  type FirstMaskReport,
  type HostRow,
  type MemoryUse,
  type Report,
  type Row,
  type Start,
} from "./report.ts";
import { writeReports } from "./reports.ts";
import { benchVscode } from "./vscode.ts";
import { work } from "./work.ts";

const { values: options } = parseArgs({
  options: {
    browser: { type: "boolean", default: false },
    figma: { type: "boolean", default: false },
    datasets: { type: "boolean", default: false },
    editor: { type: "boolean", default: false },
    host: { type: "boolean", default: false },
    everything: { type: "boolean", default: false },
    points: { type: "string", default: "32" },
    model: { type: "string", default: "nano,tiny" },
    dtype: { type: "string", default: "q8" },
    threads: { type: "string" },
    memory: { type: "boolean", default: false },
    vscode: { type: "boolean", default: false },
    "first-mask": { type: "boolean", default: false },
    reports: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    against: { type: "string" },
    python: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const models = options.model.split(",");
if (options.against !== undefined && options.against !== "python")
  throw new Error(`bench: --against python, not ${options.against}`);
const here = machine();
const threads = options.threads === undefined ? here.threads : Number(options.threads);
if (!options.json) console.log(`${here.cpu}: ${here.instructions.join(" ")}`);

/** What each option but the default measures: prints it, unless JSON is asked for, and gives what the JSON has. */
const modes: Readonly<Record<string, () => Promise<object>>> = {
  async browser() {
    const reports = await benchInBrowser(models, threads);
    if (!options.json) for (const report of reports) printBrowser(report);
    return { reports };
  },
  async editor() {
    const reports = await benchEditor();
    if (!options.json) printEditor(reports);
    if (editorProblems(reports).length > 0) process.exitCode = 1;
    return { reports };
  },
  async reports() {
    await writeReports(Number(options.rounds));
    return {};
  },
  async "first-mask"() {
    const found = await benchFirstMask(Number(options.rounds));
    if (!options.json) printFirstMask(found);
    const site = await benchSite(Number(options.rounds));
    if (!options.json) printSite(site);
    if (site !== undefined && siteProblems(site).length > 0) process.exitCode = 1;
    return { ...found, ...(site && { site }) };
  },
  async figma() {
    const rows = await benchFigma();
    if (!options.json) for (const row of rows) printBudget(row, 36);
    return { rows };
  },
  async vscode() {
    const rows: BudgetRow[] = [];
    for await (const row of benchVscode()) {
      rows.push(row);
      if (!options.json) printBudget(row, 60);
    }
    return { rows };
  },
  async memory() {
    const uses = ["load large", "encode tiny", "eight objects", "edgetam stream", "many images"].map(
      (what) => child("memory.ts", what) as MemoryUse,
    );
    uses.push(...(await memoryInPage(threads)));
    if (!options.json) for (const use of uses) printMemory(use);
    return { uses };
  },
  async datasets() {
    const rows = child("datasets.ts") as readonly DatasetRow[];
    if (!options.json) printDatasets(rows);
    return { rows };
  },
  async everything() {
    const model = models.find((name) => name !== "nano") ?? "tiny";
    const sizes = ["--threads", String(threads), "--points", options.points];
    const rows = Object.keys(everythingSettings).map(
      (setting) => child("everything.ts", model, setting, ...sizes) as EverythingRow,
    );
    if (!options.json) for (const row of rows) printEverything(model, row);
    if (options.against === undefined) return { model, threads, rows };
    const image = fileURLToPath(new URL("../../examples/scene.png", import.meta.url));
    const everything = { points: Number(options.points), checkpoint: modelFiles(model).checkpoint, image };
    const python = await inPython(model, { threads }, new AbortController(), everything);
    if (!options.json) for (const row of rows) printEverythingBeside(row, python);
    return { model, threads, rows, python };
  },
  async host() {
    const rows = child("host.ts") as readonly HostRow[];
    if (!options.json) printHost(rows);
    return { rows };
  },
};

/** The models' rows. */
async function rowsOfModels(): Promise<object> {
  const reports: Report[] = [];
  const interruption = new AbortController();
  for (const model of models) {
    let report = inProcesses(model);
    if (options.against !== undefined) report = { ...report, python: await inPython(model, report, interruption) };
    reports.push(report);
    if (!options.json) print(report);
    if (interruption.signal.aborted) break;
  }
  return { reports };
}

const [measure = rowsOfModels] = Object.entries(modes).flatMap(([name, mode]) =>
  (options as Readonly<Record<string, unknown>>)[name] === true ? [mode] : [],
);
const found = await measure();
if (options.json) console.log(JSON.stringify({ machine: here, ...found }, null, 2));

function printBudget({ name, value, unit, budget }: BudgetRow, widest: number): void {
  console.log(`${name.padEnd(widest)} ${value.toFixed(0).padStart(6)} ${unit}  budget ${budget}`);
}

function printFirstMask({ browser, rounds, rows }: FirstMaskReport): void {
  const head = ["", "MB", "runtime", "model", "picture", "mask", "a click"];
  const lines = rows.map((row) => [
    `${row.runtime}, ${row.speed}`,
    (row.bytes / 1e6).toFixed(1),
    ...[row.started, row.loaded, row.encoded, row.mask, row.click].map((value) => value.toFixed(0)),
  ]);
  console.log(`first mask in ${browser}, milliseconds, ${rounds} rounds`);
  console.log(columns([head, ...lines]));
}

/** Each row and comparison in a process of its own. */
function inProcesses(model: string): Report {
  const measured = (...args: readonly string[]): unknown =>
    child("measure.ts", model, "--threads", String(threads), ...args);
  const rows = work.map(({ name }) => measured("--row", name) as Row);
  const dtypes = precisions.filter((dtype) => options.dtype.split(",").includes(dtype));
  const comparisons = dtypes.flatMap((dtype) =>
    work
      .filter(({ speedups }) => speedups !== undefined)
      .map(({ name }) => measured("--row", name, "--dtype", dtype) as Comparison),
  );
  return { ...(measured() as Start), threads, rows, comparisons };
}

/** While Python runs, signals end it rather than the bench. */
async function inPython(
  model: string,
  { threads }: Pick<Report, "threads">,
  interruption: AbortController,
  everything?: AgainstOptions["everything"],
): Promise<Against> {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const interrupt = (signal: NodeJS.Signals): void => {
    process.exitCode = 128 + constants.signals[signal];
    interruption.abort();
  };
  for (const signal of signals) process.on(signal, interrupt);
  const { python } = options;
  const against = await againstPython({
    model,
    threads,
    signal: interruption.signal,
    ...(python && { python }),
    ...(everything && { everything }),
  });
  for (const signal of signals) process.off(signal, interrupt);
  return against;
}

/** What a script beside this one prints, run in a process of its own. */
function child(script: string, ...args: readonly string[]): unknown {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const all = ["--conditions=@masklet/source", "--no-warnings", path, ...args];
  const ended = spawnSync(process.execPath, all, { stdio: ["ignore", "pipe", "inherit"], maxBuffer: 2 ** 28 });
  if (ended.status !== 0)
    throw new Error(`bench: ${[script, ...args].join(" ")} ended with ${ended.signal ?? `exit code ${ended.status}`}`);
  return JSON.parse(ended.stdout.toString());
}

function printEverything(model: string, { setting, points, masks, milliseconds, ...parts }: EverythingRow): void {
  const seconds = (time: number): string => `${(time / 1000).toFixed(2)} s`;
  const found = `${points} points in ${seconds(milliseconds)}, ${masks} masks`;
  console.log(`\neverything in one image, ${model}, ${setting} thresholds: ${found}`);
  const { encode, decode, filter, upsample, nms } = parts;
  const rest = milliseconds - encode - decode - filter - upsample - nms;
  const cells = Object.entries({ encode, decode, filter, upsample, nms, rest });
  console.log(
    columns(cells.map(([part, time]) => [part, seconds(time), `${((100 * time) / milliseconds).toFixed(1)}%`])),
  );
}

function printEverythingBeside({ setting, milliseconds }: EverythingRow, python: Against): void {
  if ("skipped" in python) {
    console.log(`  PyTorch not measured: ${python.skipped}`);
    return;
  }
  const theirs = python.milliseconds[setting] ?? Number.NaN;
  const ratio = theirs / milliseconds;
  const verdict = ratio >= everythingMark ? "reached" : "missed";
  console.log(
    `  PyTorch, ${setting} thresholds, ${(theirs / 1000).toFixed(2)} s: ${ratio.toFixed(2)} times as fast, ${verdict} ${everythingMark}`,
  );
}

function printMemory({ name, bytes, mark }: MemoryUse): void {
  const verdict = bytes < mark ? "reached" : "missed";
  console.log(`${name}: ${(bytes / 1e6).toFixed(0)} MB of anonymous memory; ${verdict} ${(mark / 1e6).toFixed(0)} MB`);
}

function printDatasets(rows: readonly DatasetRow[]): void {
  for (const { name, seconds, pictures, bytes, mark } of rows) {
    const rate = pictures === undefined ? "" : `, ${(pictures / seconds).toFixed(1)} a second`;
    const verdict = mark === undefined ? "" : `; ${bytes < mark ? "reached" : "missed"} ${(mark / 1e6).toFixed(0)} MB`;
    console.log(
      `${name}: ${seconds.toFixed(1)} s${rate}, ${(bytes / 1e6).toFixed(0)} MB of anonymous memory${verdict}`,
    );
  }
}

function printHost(rows: readonly HostRow[]): void {
  console.log("\neight objects at 1920 x 1080, beside a plain loop over the bytes of eight masks");
  const cells = rows.map(({ name, milliseconds, passes }) => [
    name,
    `${milliseconds.toFixed(1)} ms`,
    `${passes.toFixed(1)} times the loop`,
  ]);
  console.log(columns(cells));
}

function print({ model, threads, rows, comparisons, load, firstMask, python }: Report): void {
  console.log(`\n${model}, ${threads} of ${here.threads} threads`);
  const lines = rows.map((row): readonly string[] => [
    row.name,
    `${row.milliseconds.toFixed(1)} ms`,
    `${row.gigaflops.toFixed(row.gigaflops < 10 ? 2 : 0)} GFLOP`,
    `${(row.gigaflops / (row.milliseconds / 1000)).toFixed(0)} GFLOP/s`,
    `${(100 * share(row)).toFixed(1)}% of the GEMM peak, ${row.peak.toFixed(0)}`,
    mark(row),
    `${(row.memory.peak / 1e6).toFixed(0)} MB, ${(row.memory.baseline / 1e6).toFixed(0)} before the model`,
    ...besideRow(row, python),
  ]);
  console.log(columns(lines));
  if (python !== undefined) {
    console.log(
      "skipped" in python
        ? `  PyTorch not measured: ${python.skipped}`
        : `  PyTorch ${python.torch}; GEMM peak ${python.peak.toFixed(0)} GFLOP/s`,
    );
  }
  for (const { name, dtype, milliseconds, fp32Milliseconds, mark } of comparisons) {
    const ratio = fp32Milliseconds / milliseconds;
    const times = `${milliseconds.toFixed(0)} ms, float32 ${fp32Milliseconds.toFixed(0)} ms`;
    const aim = mark === undefined ? "" : `, ${ratio >= mark ? "reached" : "missed"} ${mark}`;
    console.log(`  ${name} in ${dtype}: ${times}; ${ratio.toFixed(2)} times as fast${aim}`);
  }
  console.log(`  loading ${load.milliseconds.toFixed(0)} ms for ${(load.bytes / 1e6).toFixed(0)} MB of weights`);
  const started = firstMask === null ? "not measured: build the command line first" : `${firstMask.toFixed(0)} ms`;
  console.log(`  process start to first mask ${started}`);
}

function share({ gigaflops, milliseconds, peak }: Row): number {
  return gigaflops / (milliseconds / 1000) / peak;
}

function mark(row: Row): string {
  if (row.mark === undefined) return "";
  return `${share(row) >= row.mark ? "reached" : "missed "} ${100 * row.mark}%`;
}
