/** Where the time of a model's graphs goes, operation by operation. */
import type { OrtExecutable, ProfiledNode } from "@masklet/backend-ort/node";
import {
  bindDim,
  type DimBindings,
  type Executable,
  elementCount,
  type Graph,
  graphCost,
  imageEncoderGraph,
  maskDecoderGraph,
  memoryAttentionGraph,
  memoryEncoderGraph,
  type Signature,
  withPrecision,
} from "@masklet/core/backend";
import {
  type Backend,
  BackendError,
  type GraphName,
  geometry,
  type HostTensor,
  type Precision,
  type Sam2Config,
  type WeightStore,
} from "@masklet/core/node";
import { type Cell, renderTable, right } from "./table.ts";

/** A graph, at the sizes it is run with. */
export interface GraphRun {
  readonly name: GraphName;
  readonly graph: (config: Sam2Config) => Graph;
  readonly sizes: DimBindings;
}

/** Each graph with one of each, and with a full memory. */
export function graphRuns(config: Sam2Config): readonly GraphRun[] {
  const { memories, maxObjectPointers, pointerTokens: each } = geometry(config);
  const pointerTokens = maxObjectPointers * each;
  return [
    { name: "imageEncoder", graph: imageEncoderGraph, sizes: { images: 1 } },
    // A click is followed by a point of padding.
    { name: "maskDecoder", graph: maskDecoderGraph, sizes: { prompts: 1, points: 2 } },
    { name: "memoryEncoder", graph: memoryEncoderGraph, sizes: { objects: 1 } },
    { name: "memoryAttention", graph: memoryAttentionGraph, sizes: { objects: 1, memories, pointerTokens } },
  ];
}

/** The times of all nodes of a kind. */
export interface OperationTime {
  /** The model's operation, or the runtime's where it is one of its own. */
  readonly kind: string;
  readonly nodes: number;
  readonly milliseconds: number;
  /** Of the graph's time. */
  readonly share: number;
  /** GFLOP/s, where it is known how many operations that takes. */
  readonly gigaflops: number | null;
}

/** The time of one node. */
export interface NodeTime {
  /** Where in the model, and the node's result. */
  readonly name: string;
  /** The runtime's operator. */
  readonly operator: string;
  readonly milliseconds: number;
  readonly share: number;
}

/** One graph's times: each node's is that of its fastest run. */
export interface GraphProfile {
  readonly name: GraphName;
  readonly sizes: DimBindings;
  readonly runs: number;
  /** The fastest run as a whole. */
  readonly runMilliseconds: number;
  /** The nodes' times together. */
  readonly milliseconds: number;
  /** GFLOP/s of products, convolutions and attention in the fastest run. */
  readonly gigaflops: number;
  /** The slowest first; so are `nodes`, of which only some are listed. */
  readonly operations: readonly OperationTime[];
  readonly nodes: readonly NodeTime[];
}

/** A model to profile. */
export interface Profiled {
  readonly backend: Backend;
  readonly weights: WeightStore;
  readonly config: Sam2Config;
  readonly dtype: Precision;
  /** How many nodes to list. */
  readonly nodes: number;
  readonly signal: AbortSignal;
  readonly onStart: (run: GraphRun) => void;
}

const RUNS = 4;
const PROMPTS = 64;

/**
 * Runs each graph a few times, the decoder also with 64 prompts. Rejects with a `BackendError` "unsupported" where the
 * backend does not keep its nodes' times.
 */
export async function profile(model: Profiled): Promise<readonly GraphProfile[]> {
  const runs = graphRuns(model.config);
  const decode = runs.findIndex(({ name }) => name === "maskDecoder");
  const many = { ...(runs[decode] as GraphRun), sizes: { prompts: PROMPTS, points: 2 } };
  const profiles: GraphProfile[] = [];
  for (const run of runs.toSpliced(decode + 1, 0, many)) {
    model.onStart(run);
    profiles.push(await profileGraph(run, model));
  }
  return profiles;
}

async function profileGraph({ name, graph, sizes }: GraphRun, model: Profiled): Promise<GraphProfile> {
  const { backend, weights, config, dtype, signal } = model;
  const computed = withPrecision(graph(config), { config, dtype });
  const executable = await backend.compile(computed, weights, { signal });
  try {
    if (!hasProfile(executable)) {
      const problem = `the ${backend.name} backend does not keep the times of its operations; the ort backend does`;
      throw new BackendError("unsupported", `inspect --profile: ${problem}`, { details: { backend: backend.name } });
    }
    const feeds = feedsOf(executable.signature, sizes);
    let runMilliseconds = Number.POSITIVE_INFINITY;
    for (let i = 0; i < RUNS; i++) {
      const started = performance.now();
      const outputs = await executable.run(feeds, { signal });
      runMilliseconds = Math.min(runMilliseconds, performance.now() - started);
      for (const tensor of Object.values(outputs)) tensor.dispose();
    }
    const { nodes } = await executable.endProfile();
    const { flops, operationFlops } = graphCost(computed, sizes);
    return {
      name,
      sizes,
      runs: RUNS,
      runMilliseconds,
      gigaflops: flops / 1e6 / runMilliseconds,
      ...timesOf(nodes, operationFlops, model.nodes),
    };
  } finally {
    await executable.dispose();
  }
}

function hasProfile(executable: Executable): executable is OrtExecutable {
  return "endProfile" in executable;
}

/** Inputs of the right sizes: what they hold makes no difference to the time. */
function feedsOf({ inputs }: Signature, sizes: DimBindings): Readonly<Record<string, HostTensor>> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, dims: named }]): [string, HostTensor] => {
      // Features, masks and flags that all prompts or objects may share are shared, as they are for one image.
      const dims = named.map((dim) => (typeof dim === "string" && dim.endsWith("?") ? 1 : bindDim(dim, sizes)));
      const length = elementCount(dims);
      if (dtype === "int32") return [name, { dtype, dims, data: new Int32Array(length) }];
      if (dtype === "bool") return [name, { dtype, dims, data: new Uint8Array(length) }];
      return [name, { dtype, dims, data: Float32Array.from({ length }, (_, i) => Math.sin(i)) }];
    }),
  );
}

function timesOf(
  found: readonly ProfiledNode[],
  flops: ReadonlyMap<string, number>,
  listed: number,
): Pick<GraphProfile, "milliseconds" | "operations" | "nodes"> {
  const milliseconds = found.reduce((sum, { fastest }) => sum + fastest, 0);
  const share = (part: number): number => (milliseconds === 0 ? 0 : part / milliseconds);
  const kinds = new Map<string, { nodes: number; milliseconds: number }>();
  for (const { name, op, fastest } of found) {
    const kind = kindOf(name) ?? op;
    const sum = kinds.get(kind) ?? { nodes: 0, milliseconds: 0 };
    kinds.set(kind, { nodes: sum.nodes + 1, milliseconds: sum.milliseconds + fastest });
  }
  const operations = Array.from(kinds, ([kind, sum]): OperationTime => {
    const work = flops.get(kind) ?? 0;
    const gigaflops = work === 0 || sum.milliseconds === 0 ? null : work / 1e6 / sum.milliseconds;
    return { kind, ...sum, share: share(sum.milliseconds), gigaflops };
  });
  const nodes = found.map(({ name, op, fastest }): NodeTime => {
    return { name, operator: op, milliseconds: fastest, share: share(fastest) };
  });
  const slowestFirst = (a: { milliseconds: number }, b: { milliseconds: number }): number =>
    b.milliseconds - a.milliseconds;
  return {
    milliseconds,
    operations: operations.sort(slowestFirst),
    nodes: nodes.sort(slowestFirst).slice(0, listed),
  };
}

/** The operation of the model that a node is for: nodes are named `scope/kind#id`, those that the runtime lays out anew `kind#id`. */
function kindOf(node: string): string | undefined {
  return /(?:^|\/)([A-Za-z0-9]+)#\d+[^/]*$/.exec(node)?.[1];
}

export function sizesText(sizes: DimBindings): string {
  return Object.entries(sizes)
    .map(([dim, size]) => `${size} ${dim}`)
    .join(", ");
}

/** The profiles as tables. */
export function describeProfiles(profiles: readonly GraphProfile[]): string {
  return profiles
    .map(({ name, sizes, runs, runMilliseconds, milliseconds, gigaflops, operations, nodes }) => {
      const heading = `${name}, ${sizesText(sizes)}: ${ms(runMilliseconds)} (fastest of ${runs} runs), ${Math.round(gigaflops)} GFLOP/s; nodes ${ms(milliseconds)}\n`;
      const byKind = renderTable([
        ["operation", "nodes", "time", "share", "GFLOP/s"].map((text, i) => (i === 0 ? text : right(text))),
        ...operations.map((row): readonly Cell[] => [
          row.kind,
          right(String(row.nodes)),
          right(ms(row.milliseconds)),
          right(percent(row.share)),
          right(row.gigaflops === null ? "" : row.gigaflops.toFixed(row.gigaflops < 10 ? 1 : 0)),
        ]),
      ]);
      const slowest = renderTable(
        nodes.map((node) => [right(ms(node.milliseconds)), right(percent(node.share)), node.operator, node.name]),
      );
      return `${heading}\n${byKind}${nodes.length === 0 ? "" : `\nslowest nodes\n${slowest}`}`;
    })
    .join("\n");
}

export function ms(milliseconds: number): string {
  return `${milliseconds.toFixed(milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0)} ms`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
