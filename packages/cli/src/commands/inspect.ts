/** `masklet inspect`: what a model is, what running it takes, and where its time goes. */
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { checkInventory, type GraphCost, graphCost } from "@masklet/core/backend";
import {
  CheckpointError,
  checkpointSha256,
  fileSource,
  type GraphName,
  identify,
  openCheckpoint,
  type PresetName,
  presets,
  type Sam2Config,
  type WeightStore,
  writeFileAtomic,
} from "@masklet/core/node";
import { type ExitCode, type Host, print } from "../host.ts";
import { type ModelSettings, modelOptions, modelSettings } from "../model-options.ts";
import { configOf, createBackend, type FoundModel, findModel } from "../models.ts";
import { describeProfiles, type GraphProfile, graphRuns, profile, sizesText } from "../profile.ts";
import { drawProfiles } from "../profile-chart.ts";
import { Progress } from "../progress.ts";
import { type Cell, renderTable, right } from "../table.ts";
import { commonOptions, type Help, numberOption, parsing, renderHelp, UsageError } from "../usage.ts";

const showOptions = {
  json: { type: "boolean", help: "Print it as JSON." },
  config: modelOptions.config,
  ...commonOptions,
} as const;

const { dtype, backend, device, threads } = modelOptions;

const profileOptions = {
  profile: {
    type: "boolean",
    help: "Run each graph a few times, and show the time of each kind of operation and of the slowest nodes instead.",
  },
  nodes: { type: "string", value: "N", help: "How many of the slowest nodes to list. Default: 10." },
  svg: { type: "string", value: "FILE", help: "Draw the times into an SVG file, too." },
  ...{ dtype, backend, device, threads },
} as const;

const options = { ...showOptions, ...profileOptions } as const;

const help: Help = {
  usage: "masklet inspect MODEL [options]",
  about: `Show a model's parameters, arithmetic, memory and operations; with --profile where its time goes. Without, nothing
is run.

MODEL is a name (sam2.1-hiera-tiny), a .pt or .safetensors file, a folder, or nano. Of published models all but the file
itself is shown even where the file is not on this machine.`,
  sections: { Options: showOptions, "Where the time goes": profileOptions },
  examples: [
    "masklet inspect sam2.1-hiera-large",
    "masklet inspect ./sam2.1_hiera_tiny.pt --json",
    "masklet inspect sam2.1-hiera-tiny --profile --threads 1 --svg profile.svg",
  ],
};

/** What a model's file holds. */
interface FileReport {
  readonly path: string;
  readonly sha256: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  /** Tensors of each stored type. */
  readonly dtypes: Readonly<Record<string, number>>;
}

/** One run of a graph at `sizes`. */
interface GraphReport extends Omit<GraphCost, "operations" | "operationFlops"> {
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
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const [name, ...rest] = positionals;
  if (name === undefined || rest.length > 0) throw new UsageError(`takes one MODEL, got ${positionals.length}`);
  const { profile: asked = false, nodes, svg, dtype, backend, device, threads } = values;
  if (asked) {
    const settings = modelSettings({ ...values, model: name });
    const count = numberOption("--nodes", nodes, { min: 0, integer: true }) ?? 10;
    return await showProfile(settings, { nodes: count, svg, json: values.json === true }, host);
  }
  const [unused] = Object.entries({ nodes, svg, dtype, backend, device, threads }).filter(([, given]) => given);
  if (unused !== undefined) throw new UsageError(`--${unused[0]} ${unused[1]} needs --profile`);
  const { config, file } = await examine(name, values.config, host);
  const report: ModelReport = { model: config, file, graphs: graphsOf(config) };
  await print(host, values.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : describe(report));
  return 0;
}

interface ProfileOutput {
  readonly nodes: number;
  readonly svg: string | undefined;
  readonly json: boolean;
}

async function showProfile(
  settings: ModelSettings,
  { nodes, svg, json }: ProfileOutput,
  host: Host,
): Promise<ExitCode> {
  const { backend: where, dtype } = settings;
  const backend = await createBackend(where.name === "ort" ? { ...where, profile: true, elseTfjs: false } : where);
  const progress = new Progress(host, false);
  try {
    const model = await findModel(settings.model ?? "", host.env);
    const { config, profiles } = await withCheckpoint(model, settings.config, host.signal, async (weights, config) => {
      const onStart = ({ name, sizes }: Pick<GraphProfile, "name" | "sizes">): void =>
        progress.show(`profiling ${name}, ${sizesText(sizes)}`);
      const { signal } = host;
      return { config, profiles: await profile({ backend, weights, config, dtype, nodes, signal, onStart }) };
    });
    progress.clear();
    const device = backend.capabilities.device;
    if (svg !== undefined) {
      const title = `${basename(model.name)}, ${dtype}, on ${device}`;
      await writeFileAtomic(svg, new TextEncoder().encode(drawProfiles(title, profiles)), { signal: host.signal });
    }
    const sha256 = await checkpointSha256(model.checkpoint, { signal: host.signal });
    const report = { model: { name: config.name, sha256 }, dtype, backend: backend.name, device, graphs: profiles };
    await print(host, json ? `${JSON.stringify(report, undefined, 2)}\n` : describeProfiles(profiles));
    return 0;
  } finally {
    progress.clear();
    await backend.dispose();
  }
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
    if (!(error instanceof CheckpointError && error.code === "not-downloaded")) throw error;
    const preset = error.details["model"] as PresetName;
    return { config: presets[preset], file: null };
  }
  return withCheckpoint(model, givenConfig, signal, async (store, config, bytes) => {
    const sha256 = await checkpointSha256(model.checkpoint, { signal });
    return { config, file: { sha256, ...fileReport(store, bytes) } };
  });
}

/** Opens a model's checkpoint, of so many bytes, for `use`. */
async function withCheckpoint<T>(
  model: FoundModel,
  givenConfig: string | undefined,
  signal: AbortSignal,
  use: (weights: WeightStore, config: Sam2Config, bytes: number) => Promise<T>,
): Promise<T> {
  const source = await fileSource(model.checkpoint);
  try {
    const store = await openCheckpoint(source, { signal });
    const config = identify(store, await configOf(model, givenConfig));
    checkInventory(store, config);
    return await use(store, config, source.size);
  } finally {
    await source.close?.();
  }
}

function fileReport(store: WeightStore, bytes: number): Omit<FileReport, "sha256"> {
  const entries = [...store.entries.values()];
  const dtypes: Record<string, number> = {};
  for (const { dtype } of entries) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
  const parameters = entries.reduce((sum, { dims }) => sum + dims.reduce((size, dim) => size * dim, 1), 0);
  return { path: store.name, tensors: entries.length, parameters, bytes, dtypes };
}

/** Each graph's cost: of one image, of one click in it, of one frame with a full memory. */
function graphsOf(config: Sam2Config): readonly GraphReport[] {
  return graphRuns(config).map(({ name, graph, sizes }) => {
    const { operations, operationFlops: _, ...cost } = graphCost(graph(config), sizes);
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
      sizesText(sizes),
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

function millions(count: number): string {
  return `${(count / 1e6).toFixed(count < 1e8 ? 2 : 1)} M`;
}

function giga(count: number): string {
  return `${(count / 1e9).toFixed(count < 1e10 ? 3 : 1)} G`;
}

function bytes(count: number): string {
  return count < 2 ** 30 ? `${(count / 2 ** 20).toFixed(1)} MiB` : `${(count / 2 ** 30).toFixed(2)} GiB`;
}
