/** Measures one model in a process of its own and prints a `Report` as JSON. */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createOrtBackend } from "@masklet/backend-ort/node";
import {
  type DeviceTensor,
  type DimBindings,
  type Executable,
  float32,
  GraphBuilder,
  type GraphName,
  graphCost,
  type HostTensor,
  imageEncoderGraph,
  int32,
  maskDecoderGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
  type Precision,
  precisions,
  type Sam2,
  type Sam2Config,
  type Tensor,
  VideoPredictor,
} from "@masklet/core";
import { Sam2 as NodeSam2 } from "@masklet/core/node";
import { hashedTensor, memoryWeights } from "@masklet/core/testing";
import { modelFiles } from "./model-files.ts";
import type { Comparison, Report, Row } from "./report.ts";

const RUNS = 5;
const PEAK_SIDE = 2048;
const PROMPTS = 64;
const MEMORIES = 7;
const POINTERS = 16;

interface Work {
  readonly name: string;
  /** Plain GFLOP for tiny, multiply-add = 2: fixed, so that clever algebra counts as speed. Others are counted. */
  readonly tiny: number;
  /** The share of the peak that tiny aims at. */
  readonly mark?: number;
  /** How many times as fast as in float32 tiny aims to be. */
  readonly speedups?: { readonly [D in Precision]?: number };
  /** The graphs it runs, and at which sizes. */
  readonly graphs: readonly (readonly [GraphName, DimBindings])[];
  readonly prepare: (model: Sam2) => Promise<() => Promise<unknown>>;
}

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
  const peak = await gemmPeak();
  const started = performance.now();
  const model = await NodeSam2.load(source, { backend });
  const load = { milliseconds: performance.now() - started, bytes: statSync(source).size };
  const rows: Row[] = [];
  for (const { name: what, tiny, mark, graphs, prepare } of work) {
    const run = await prepare(model);
    const milliseconds = await median(run);
    const isTiny = name === "tiny";
    rows.push({
      name: what,
      milliseconds,
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
    peak: Math.max(peak, await gemmPeak()),
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

/** In turns with float32, so that what else the machine does meets both. */
async function compare(model: Sam2, dtype: Precision): Promise<readonly Comparison[]> {
  const other = await NodeSam2.load(source, { backend, dtype });
  const comparisons: Comparison[] = [];
  for (const { name: what, speedups, prepare } of work) {
    if (speedups === undefined) continue;
    const runs = [await prepare(model), await prepare(other)] as const;
    const measured: [number[], number[]] = [[], []];
    for (let i = 0; i <= RUNS; i++) {
      for (const [k, run] of runs.entries()) {
        const started = performance.now();
        await run();
        if (i > 0) measured[k]?.push(performance.now() - started);
      }
    }
    const [fp32Milliseconds, milliseconds] = measured.map((list) => list.sort((a, b) => a - b)[RUNS >> 1]) as [
      number,
      number,
    ];
    const mark = name === "tiny" ? speedups[dtype] : undefined;
    comparisons.push({ name: what, dtype, milliseconds, fp32Milliseconds, ...(mark !== undefined && { mark }) });
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

/** Point prompts through one run of the decoder, on one image's features. */
const decode = (count: number): Work["prepare"] => {
  return async (model) => {
    const { imageSize, width } = model.config;
    const [cells, side] = [(imageSize / 16) ** 2, imageSize / 4];
    return repeat(await model.executable("maskDecoder"), {
      imageEmbeddings: hashedTensor("bench.features", [1, cells, width], 1),
      highRes1: hashedTensor("bench.highRes1", [1, cells * 4, width / 4], 1),
      highRes0: hashedTensor("bench.highRes0", [1, cells * 16, width / 8], 1),
      points: float32(
        [count, 2, 2],
        Float32Array.from({ length: count * 4 }, (_, i) => (i * 97) % imageSize),
      ),
      labels: int32(
        [count, 2],
        Int32Array.from({ length: count * 2 }, (_, i) => (i % 2 === 0 ? 1 : -1)),
      ),
      maskInput: float32([1, side, side], new Float32Array(side * side)),
      hasMask: { dtype: "bool", dims: [1], data: Uint8Array.of(0) },
      noMemory: float32([1], Float32Array.of(1)),
    });
  };
};

/** One more frame of a stream whose memory is full, from pixels to masks. */
const track = (objects: number): Work["prepare"] => {
  return async (model) => {
    const session = new VideoPredictor(model).stream();
    const [width, height] = [640, 480];
    const frame = { width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(90) } as const;
    await session.push(frame);
    for (let object = 0; object < objects; object++) {
      await session.addPrompt({ object, points: [[40 + 70 * object, 200]] });
    }
    for (let i = 0; i < MEMORIES; i++) await session.push(frame);
    return () => session.push(frame);
  };
};

const trackedFrame = (objects: number): Work["graphs"] => [
  ["imageEncoder", { images: 1 }],
  ["memoryAttention", { objects, memories: MEMORIES, pointerTokens: MEMORIES * 4 }],
  ["maskDecoder", { prompts: objects, points: 2 }],
  ["memoryEncoder", { objects }],
];

const work: readonly Work[] = [
  {
    name: "encode one image",
    tiny: 207,
    mark: 0.6,
    speedups: { q8: 1.5 },
    graphs: [["imageEncoder", { images: 1 }]],
    prepare: async (model) => {
      const { imageSize } = model.config;
      return repeat(await model.executable("imageEncoder"), {
        image: hashedTensor("bench.image", [1, imageSize, imageSize, 3], 2),
      });
    },
  },
  { name: "decode one click", tiny: 3.6, graphs: [["maskDecoder", { prompts: 1, points: 2 }]], prepare: decode(1) },
  {
    name: `decode ${PROMPTS} clicks in one run`,
    tiny: 3.6 * PROMPTS,
    mark: 0.5,
    graphs: [["maskDecoder", { prompts: PROMPTS, points: 2 }]],
    prepare: decode(PROMPTS),
  },
  {
    name: "encode one memory",
    tiny: 12,
    graphs: [["memoryEncoder", { objects: 1 }]],
    prepare: async (model) => {
      const { imageSize, width } = model.config;
      const [cells, side] = [(imageSize / 16) ** 2, imageSize / 4];
      return repeat(await model.executable("memoryEncoder"), {
        imageEmbeddings: hashedTensor("bench.features", [1, cells, width], 1),
        maskLogits: hashedTensor("bench.mask", [1, side, side], 8),
        binarize: { dtype: "bool", dims: [1], data: Uint8Array.of(0) },
        objectScores: float32([1, 1], Float32Array.of(3)),
      });
    },
  },
  {
    name: `memory attention, ${MEMORIES} memories, ${POINTERS} pointers`,
    tiny: 606,
    mark: 0.65,
    graphs: [["memoryAttention", { objects: 1, memories: MEMORIES, pointerTokens: POINTERS * 4 }]],
    prepare: async (model) => {
      const { imageSize, width, memoryWidth } = model.config;
      const cells = (imageSize / 16) ** 2;
      const tokens = (POINTERS * width) / memoryWidth;
      return repeat(await model.executable("memoryAttention"), {
        imageEmbeddings: hashedTensor("bench.features", [1, cells, width], 1),
        memories: hashedTensor("bench.memories", [1, MEMORIES, cells, memoryWidth], 1),
        slots: int32([MEMORIES], Int32Array.of(6, 0, 1, 2, 3, 4, 5)),
        pointers: hashedTensor("bench.pointers", [1, tokens, memoryWidth], 1),
        pointerPositions: hashedTensor("bench.positions", [1, tokens, memoryWidth], 1),
      });
    },
  },
  {
    name: "a video frame, one object",
    tiny: 829,
    speedups: { q8: 1.4 },
    graphs: trackedFrame(1),
    prepare: track(1),
  },
  {
    name: "a video frame, eight objects",
    tiny: 5180,
    graphs: trackedFrame(8),
    prepare: track(8),
  },
];

/** Runs a graph with feeds that are uploaded once. */
function repeat(executable: Executable, feeds: Readonly<Record<string, HostTensor>>): () => Promise<void> {
  const uploaded: Record<string, Tensor> = {};
  for (const [input, tensor] of Object.entries(feeds)) uploaded[input] = backend.upload(tensor);
  return async () => release(await executable.run(uploaded));
}

function release(outputs: Readonly<Record<string, DeviceTensor>>): void {
  for (const tensor of Object.values(outputs)) tensor.dispose();
}

async function times(run: () => Promise<unknown>): Promise<readonly number[]> {
  await run();
  const measured: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const started = performance.now();
    await run();
    measured.push(performance.now() - started);
  }
  return measured.sort((a, b) => a - b);
}

async function median(run: () => Promise<unknown>): Promise<number> {
  return (await times(run))[RUNS >> 1] as number;
}

/** GFLOP/s of the best of several products. */
async function gemmPeak(): Promise<number> {
  const g = new GraphBuilder("peak");
  const a = g.input("a", [PEAK_SIDE, PEAK_SIDE]);
  g.output("product", g.linear(a, g.weight("weight", [PEAK_SIDE, PEAK_SIDE])));
  const weight = hashedTensor("bench.weight", [PEAK_SIDE, PEAK_SIDE], 1);
  const executable = await backend.compile(g.build(), memoryWeights({ weight }));
  const run = repeat(executable, { a: hashedTensor("bench.a", [PEAK_SIDE, PEAK_SIDE], 1) });
  const [best] = await times(run);
  await executable.dispose();
  return (2 * PEAK_SIDE ** 3) / 1e6 / (best as number);
}

process.stdout.write(JSON.stringify(await measure()));
