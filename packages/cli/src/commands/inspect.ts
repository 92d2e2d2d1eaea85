/** `masklet inspect`: what a model is and what running it takes, from its files alone. */
import { parseArgs } from "node:util";
import {
  CheckpointError,
  checkInventory,
  fileSource,
  type GraphCost,
  type GraphName,
  graphCost,
  identify,
  imageEncoderGraph,
  isPresetName,
  maskDecoderGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
  openCheckpoint,
  presets,
  type Sam2Config,
  type WeightStore,
} from "@masklet/core/node";
import { type ExitCode, type Host, print } from "../host.ts";
import { configOf, type FoundModel, findModel } from "../models.ts";
import { type Cell, renderTable } from "../table.ts";
import { commonOptions, type Help, parsing, renderHelp, UsageError } from "../usage.ts";

const options = {
  json: { type: "boolean", help: "Print it as JSON." },
  config: {
    type: "string",
    value: "JSON",
    help: "The model's config, where it is not one of Meta's and none lies beside it.",
  },
  ...commonOptions,
} as const;

const help: Help = {
  usage: "masklet inspect MODEL [options]",
  about: `Show a model's parameters, arithmetic, memory and operations. Nothing is run.

MODEL is a name (sam2.1-hiera-tiny), a .pt or .safetensors file, a folder, or nano. Of Meta's models all but the file
itself is shown even where the file is not on this machine.`,
  sections: { Options: options },
  examples: ["masklet inspect sam2.1-hiera-large", "masklet inspect ./sam2.1_hiera_tiny.pt --json"],
};

/** What a model's file holds. */
interface FileReport {
  readonly path: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  /** Tensors of each stored type. */
  readonly dtypes: Readonly<Record<string, number>>;
}

/** One run of a graph at `sizes`. */
interface GraphReport extends Omit<GraphCost, "operations"> {
  readonly name: GraphName;
  readonly sizes: Readonly<Record<string, number>>;
  /** Of its parameters as float32. */
  readonly weightBytes: number;
  readonly operations: Readonly<Record<string, number>>;
}

interface ModelReport {
  readonly model: Sam2Config;
  /** `null` where the model is known but not on this machine. */
  readonly file: FileReport | null;
  readonly graphs: readonly GraphReport[];
}

export async function inspect(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(() => parseArgs({ args: [...args], options, allowPositionals: true }));
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const [name, ...rest] = positionals;
  if (name === undefined || rest.length > 0) throw new UsageError(`takes one MODEL, got ${positionals.length}`);
  const { config, file } = await examine(name, values.config, host);
  const report: ModelReport = { model: config, file, graphs: graphsOf(config) };
  await print(host, values.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : describe(report));
  return 0;
}

async function examine(
  name: string,
  givenConfig: string | undefined,
  { env, signal }: Host,
): Promise<{ readonly config: Sam2Config; readonly file: FileReport | null }> {
  let model: FoundModel;
  try {
    model = await findModel(name, env);
  } catch (error) {
    const preset = name.replace(/^facebook\//, "");
    if (!(error instanceof CheckpointError && error.code === "not-downloaded" && isPresetName(preset))) throw error;
    return { config: presets[preset], file: null };
  }
  const source = await fileSource(model.checkpoint);
  try {
    const store = await openCheckpoint(source, { signal });
    const config = identify(store, await configOf(model, givenConfig));
    checkInventory(store, config);
    return { config, file: fileReport(store, source.size) };
  } finally {
    await source.close?.();
  }
}

function fileReport(store: WeightStore, bytes: number): FileReport {
  const entries = [...store.entries.values()];
  const dtypes: Record<string, number> = {};
  for (const { dtype } of entries) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
  const parameters = entries.reduce((sum, { dims }) => sum + dims.reduce((size, dim) => size * dim, 1), 0);
  return { path: store.name, tensors: entries.length, parameters, bytes, dtypes };
}

/** Each graph's cost: of one image, of one click in it, of one frame with a full memory. */
function graphsOf(config: Sam2Config): readonly GraphReport[] {
  const pointerTokens = config.maxObjectPointers * (config.width / config.memoryWidth);
  const { memories } = config;
  const runs = [
    { name: "imageEncoder", graph: imageEncoderGraph(config), sizes: { images: 1 } },
    // A click is followed by a point of padding.
    { name: "maskDecoder", graph: maskDecoderGraph(config), sizes: { prompts: 1, points: 2 } },
    { name: "memoryEncoder", graph: memoryEncoderGraph(config), sizes: { objects: 1 } },
    { name: "memoryAttention", graph: memoryAttentionGraph(config), sizes: { objects: 1, memories, pointerTokens } },
  ] as const;
  return runs.map(({ name, graph, sizes }) => {
    const { operations, ...cost } = graphCost(graph, sizes);
    return { name, sizes, ...cost, weightBytes: cost.parameters * 4, operations: Object.fromEntries(operations) };
  });
}

function describe({ model, file, graphs }: ModelReport): string {
  const facts: readonly (readonly Cell[])[] = [
    ["model", `${model.name} (SAM ${model.version}, images of ${model.imageSize}x${model.imageSize})`],
    ...(file === null
      ? [["file", "not on this machine"]]
      : [
          ["file", file.path],
          ["size", bytes(file.bytes)],
          [
            "tensors",
            `${file.tensors} (${Object.entries(file.dtypes)
              .map(([dtype, n]) => `${n} ${dtype}`)
              .join(", ")})`,
          ],
          ["parameters", millions(file.parameters)],
        ]),
  ];
  const costs = renderTable([
    ["graph", "for", "parameters", "FLOPs", "+ elementwise", "weights", "peak memory"],
    ...graphs.map(({ name, sizes, parameters, flops, elementwiseFlops, weightBytes, peakActivationBytes }) => [
      name,
      Object.entries(sizes)
        .map(([dim, size]) => `${size} ${dim}`)
        .join(", "),
      right(millions(parameters)),
      right(giga(flops)),
      right(giga(elementwiseFlops)),
      right(bytes(weightBytes)),
      right(bytes(peakActivationBytes)),
    ]),
  ]);
  const kinds = [...new Set(graphs.flatMap(({ operations }) => Object.keys(operations)))].sort();
  const total = ({ operations }: GraphReport): number => Object.values(operations).reduce((sum, n) => sum + n, 0);
  const operations = renderTable([
    ["operation", ...graphs.map(({ name }) => right(name))],
    ...kinds.map((kind) => [kind, ...graphs.map((graph) => right(String(graph.operations[kind] ?? "")))]),
    ["in all", ...graphs.map((graph) => right(String(total(graph))))],
  ]);
  const notes =
    "FLOPs: of matrix products, convolutions and attention, a multiply-add being 2. Weights: as float32. Peak memory: of\n" +
    "inputs and results alive together, if each is freed after its last use.\n";
  return `${renderTable(facts)}\n${costs}\n${notes}\n${operations}`;
}

const right = (text: string): Cell => ({ text, right: true });

function millions(count: number): string {
  return `${(count / 1e6).toFixed(count < 1e8 ? 2 : 1)} M`;
}

function giga(count: number): string {
  return `${(count / 1e9).toFixed(count < 1e10 ? 3 : 1)} G`;
}

function bytes(count: number): string {
  return count < 2 ** 30 ? `${(count / 2 ** 20).toFixed(1)} MiB` : `${(count / 2 ** 30).toFixed(2)} GiB`;
}
