/** Measures one model in a process of its own and prints a `Report` as JSON. */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createOrtBackend } from "@masklet/backend-ort/node";
import { type GraphName, type Precision, precisions, type Sam2, type Sam2Config } from "@masklet/core";
import {
  GraphBuilder,
  graphCost,
  imageEncoderGraph,
  maskDecoderGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
} from "@masklet/core/backend";
import { Sam2 as NodeSam2 } from "@masklet/core/node";
import { hashedTensor, memoryWeights } from "@masklet/core/testing";
import { modelFiles } from "./model-files.ts";
import type { Comparison, Report, Row } from "./report.ts";
import { repeat, type Work, work } from "./work.ts";

const RUNS = 5;
const PEAK_SIDE = 2048;

const { values: options, positionals } = parseArgs({
  options: { threads: { type: "string" }, dtype: { type: "string", default: "" } },
  allowPositionals: true,
});
const name = positionals[0] ?? "tiny";
const threads = options.threads === undefined ? availableParallelism() : Number(options.threads);

const baseline = process.memoryUsage.rss();
const backend = await createOrtBackend({ threads });
const { checkpoint: source } = modelFiles(name);

async function measure(): Promise<Report> {
  const product = await gemm();
  const started = performance.now();
  const model = await NodeSam2.load(source, { backend });
  const load = { milliseconds: performance.now() - started, bytes: statSync(source).size };
  const rows: Row[] = [];
  for (const { name: what, tiny, mark, graphs, prepare } of work) {
    // The second product finds what the work has driven out of the caches.
    const [own, cold, warm] = await inTurns([await prepare(model), product, product]);
    const isTiny = name === "tiny";
    rows.push({
      name: what,
      milliseconds: median(own),
      peak: (2 * PEAK_SIDE ** 3) / 1e6 / Math.min(...cold, ...warm),
      gigaflops: isTiny ? tiny : counted(graphs, model.config),
      ...(isTiny && mark !== undefined ? { mark } : {}),
    });
  }
  const { config } = model;
  const memory = { baseline, peak: process.resourceUsage().maxRSS * 1024 };
  const dtypes = precisions.filter((dtype) => options.dtype.split(",").includes(dtype));
  const comparisons: Comparison[] = [];
  for (const dtype of dtypes) comparisons.push(...(await compare(model, dtype)));
  await model.dispose();
  return {
    model: config.name,
    threads,
    rows,
    comparisons,
    load,
    firstMask: firstMask(),
    memory,
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

async function compare(model: Sam2, dtype: Precision): Promise<readonly Comparison[]> {
  const other = await NodeSam2.load(source, { backend, dtype });
  const comparisons: Comparison[] = [];
  for (const { name: what, speedups, prepare } of work) {
    if (speedups === undefined) continue;
    const [fp32, fewer] = await inTurns([await prepare(model), await prepare(other)]);
    const mark = name === "tiny" ? speedups[dtype] : undefined;
    comparisons.push({
      name: what,
      dtype,
      milliseconds: median(fewer),
      fp32Milliseconds: median(fp32),
      ...(mark !== undefined && { mark }),
    });
  }
  await other.dispose();
  return comparisons;
}

/** GFLOP of graphs. */
function counted(graphs: Work["graphs"], config: Sam2Config): number {
  return graphs.reduce((sum, [graph, sizes]) => sum + graphCost(builders[graph](config), sizes).flops / 1e9, 0);
}

const builders: { readonly [K in GraphName]: (config: Sam2Config) => ReturnType<typeof imageEncoderGraph> } = {
  imageEncoder: imageEncoderGraph,
  maskDecoder: maskDecoderGraph,
  memoryEncoder: memoryEncoderGraph,
  memoryAttention: memoryAttentionGraph,
};

type Run = () => Promise<unknown>;

/** Milliseconds of warm runs, in turns: so that what else the machine does meets both. */
async function inTurns<const R extends readonly Run[]>(runs: R): Promise<{ [K in keyof R]: readonly number[] }> {
  const measured = runs.map((): number[] => []);
  for (let i = 0; i <= RUNS; i++) {
    for (const [k, run] of runs.entries()) {
      const started = performance.now();
      await run();
      if (i > 0) measured[k]?.push(performance.now() - started);
    }
  }
  return measured as { [K in keyof R]: readonly number[] };
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] as number;
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

process.stdout.write(JSON.stringify(await measure()));
