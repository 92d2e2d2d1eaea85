/**
 * Measures one thing of a model, in a process of its own, as JSON: with `--row` a `Row`, with `--dtype` too a `Comparison`
 * with float32, else its `Start`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createOrtBackend } from "@masklet/backend-ort/node";
import { type Precision, precisions, type Sam2Config } from "@masklet/core";
import { GraphBuilder, graphBuilders, graphCost } from "@masklet/core/backend";
import { loadSam2 } from "@masklet/core/node";
import { hashedTensor, memoryWeights } from "@masklet/core/testing";
import { modelFiles } from "./model-files.ts";
import type { Comparison, Row, Start } from "./report.ts";
import { inTurns, median, RUNS, type Run } from "./turns.ts";
import { repeat, type Work, work } from "./work.ts";

const PEAK_SIDE = 2048;

const { values: options, positionals } = parseArgs({
  options: { threads: { type: "string", default: "1" }, row: { type: "string" }, dtype: { type: "string" } },
  allowPositionals: true,
});
const [name = "tiny"] = positionals;
const isTiny = name === "tiny";
const threads = Number(options.threads);

const baseline = process.memoryUsage.rss();
const backend = await createOrtBackend({ threads });
const { checkpoint: source } = modelFiles(name);

async function start(): Promise<Start> {
  const started = performance.now();
  await using model = await loadSam2(source, { backend });
  const load = { milliseconds: performance.now() - started, bytes: statSync(source).size };
  return { model: model.config.name, load, firstMask: firstMask() };
}

async function measure({ name: what, tiny, mark, graphs, prepare }: Work): Promise<Row> {
  await using model = await loadSam2(source, { backend });
  const run = await prepare(model);
  await run();
  const memory = { baseline, peak: process.resourceUsage().maxRSS * 1024 };
  const product = await gemm();
  await product();
  // The second product finds what the work has driven out of the caches.
  const [own, cold, warm] = await inTurns([run, product, product]);
  return {
    name: what,
    milliseconds: median(own),
    peak: (2 * PEAK_SIDE ** 3) / 1e6 / Math.min(...cold, ...warm),
    gigaflops: isTiny ? tiny : counted(graphs, model.config),
    ...(isTiny && mark !== undefined ? { mark } : {}),
    memory,
  };
}

async function compare({ name: what, speedups, prepare }: Work, dtype: Precision): Promise<Comparison> {
  await using model = await loadSam2(source, { backend });
  await using other = await loadSam2(source, { backend, dtype });
  const runs = [await prepare(model), await prepare(other)] as const;
  for (const run of runs) await run();
  const [fp32, fewer] = await inTurns(runs);
  const mark = isTiny ? speedups?.[dtype] : undefined;
  return {
    name: what,
    dtype,
    milliseconds: median(fewer),
    fp32Milliseconds: median(fp32),
    ...(mark !== undefined && { mark }),
  };
}

/** Milliseconds of the whole command, the fastest of several; its files come from the system's cache after the first. */
function firstMask(): number | null {
  const root = new URL("../../", import.meta.url);
  const main = fileURLToPath(new URL("packages/cli/dist/main.js", root));
  if (!existsSync(main)) return null;
  const args = ["segment", fileURLToPath(new URL("examples/scene.png", root)), "--box", "45,35,224,209", "--json"];
  const all = [main, ...args, "--model", source, "--threads", String(threads)];
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < RUNS; i++) {
    const started = performance.now();
    const { status, stderr } = spawnSync(process.execPath, all, { encoding: "utf8" });
    if (status !== 0) throw new Error(`bench: masklet segment failed: ${stderr}`);
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}

/** GFLOP of graphs. */
function counted(graphs: Work["graphs"], config: Sam2Config): number {
  return graphs.reduce((sum, [graph, sizes]) => sum + graphCost(graphBuilders[graph](config), sizes).flops / 1e9, 0);
}

/** The product whose best time is the peak. */
async function gemm(): Promise<Run> {
  const g = new GraphBuilder("peak");
  const a = g.input("a", [PEAK_SIDE, PEAK_SIDE]);
  g.output("product", g.linear(a, g.weight("weight", [PEAK_SIDE, PEAK_SIDE])));
  const weight = hashedTensor("bench.weight", [PEAK_SIDE, PEAK_SIDE], 1);
  const executable = await backend.compile(g.build(), memoryWeights({ weight }));
  return repeat(backend, executable, { a: hashedTensor("bench.a", [PEAK_SIDE, PEAK_SIDE], 1) });
}

const row = work.find(({ name: what }) => what === options.row);
const dtype = precisions.find((precision) => precision === options.dtype);
const found = row === undefined ? start() : dtype === undefined ? measure(row) : compare(row, dtype);
process.stdout.write(JSON.stringify(await found));
