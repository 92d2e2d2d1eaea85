import type { InferenceSession } from "onnxruntime-common";

/** The time of one node, over all runs. */
export interface ProfiledNode {
  /** Where in the model, and the node's result: `image_encoder.trunk.blocks.0.mlp.layers.0/linear#31`. */
  readonly name: string;
  /** ONNX operator. */
  readonly op: string;
  /** The execution provider that ran it: "CPU", "WebGpu", ... */
  readonly provider: string;
  readonly calls: number;
  readonly milliseconds: number;
  /** Milliseconds of its fastest call: the others met cold caches, fresh memory and other programs. */
  readonly fastest: number;
}

/** Where a graph's time went. */
export interface Profile {
  /** The slowest first. */
  readonly nodes: readonly ProfiledNode[];
}

/** One session's profiling: the options that make it write a profile, and what becomes of that. */
export interface Profiling {
  readonly sessionOptions: InferenceSession.SessionOptions;
  /** Reads the profile and deletes its file. */
  readonly collect: () => Promise<Profile>;
  readonly discard: () => Promise<void>;
}

/** An event of ONNX Runtime's profile, which is in the Chrome trace format. */
interface TraceEvent {
  readonly cat?: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur?: number;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

const KERNEL = "_kernel_time";

/** Adds up the kernel times of a profile's JSON. */
export function parseProfile(json: string): Profile {
  const nodes = new Map<string, { -readonly [K in keyof ProfiledNode]: ProfiledNode[K] }>();
  for (const { cat, name, dur = 0, args } of JSON.parse(json) as readonly TraceEvent[]) {
    if (cat !== "Node" || !name.endsWith(KERNEL)) continue;
    const key = name.slice(0, -KERNEL.length);
    const provider = (args?.provider ?? "").replace(/ExecutionProvider$/, "");
    const op = args?.op_name ?? "";
    const node = nodes.get(key) ?? { name: key, op, provider, calls: 0, milliseconds: 0, fastest: dur / 1000 };
    node.calls++;
    node.fastest = Math.min(node.fastest, dur / 1000);
    node.milliseconds += dur / 1000;
    nodes.set(key, node);
  }
  return { nodes: [...nodes.values()].sort((a, b) => b.milliseconds - a.milliseconds) };
}
