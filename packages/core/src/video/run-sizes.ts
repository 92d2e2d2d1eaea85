import { peakActivationBytes } from "../graph/cost.ts";
import type { DimBindings } from "../graph/dim.ts";
import type { Graph } from "../graph/graph.ts";
import type { Sam2Config } from "../model/config.ts";
import { geometry } from "../model/geometry.ts";
import { attentionGraph, graphBuilders, memoryEncoderGraph } from "../model/graphs.ts";
import type { Attended } from "./memory-tokens.ts";

/** What a run may hold at its worst moment, unless it is one object's. */
const RUN_BYTES = 200e6;

/** How many objects go through a graph at a time. */
export class RunSizes {
  readonly #config: Sam2Config;
  readonly #fixed: number | undefined;
  readonly #graphs = new Map<(config: Sam2Config) => Graph, Graph>();
  readonly #known = new Map<string, number>();

  /** `fixed`: always so many, whatever they hold. */
  constructor(config: Sam2Config, fixed: number | undefined) {
    this.#config = config;
    this.#fixed = fixed;
  }

  /** Of `count` objects that attend to as much as this one. */
  attending(count: number, { maps, pointers }: Attended): number {
    const pointerTokens = pointers.length * geometry(this.#config).pointerTokens;
    const build = graphBuilders[attentionGraph(this.#config, maps.length)];
    return this.#size(build, count, { memories: maps.length, pointerTokens });
  }

  /** Of `count` objects whose masks become memories. */
  encoding(count: number): number {
    // Backends hold what convolutions read and make in a second layout.
    return this.#size(memoryEncoderGraph, count, {}, RUN_BYTES / 2);
  }

  /** The largest part of as few runs of nearly one size as hold no more than they may. */
  #size(build: (config: Sam2Config) => Graph, count: number, sizes: DimBindings, most = RUN_BYTES): number {
    if (this.#fixed !== undefined) return this.#fixed;
    const key = JSON.stringify([count, sizes]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    let size = count;
    for (let runs = 2; size > 1 && this.#bytes(build, { ...sizes, objects: size }) > most; runs++) {
      size = Math.ceil(count / runs);
    }
    this.#known.set(key, size);
    return size;
  }

  #bytes(build: (config: Sam2Config) => Graph, sizes: DimBindings): number {
    const graph = this.#graphs.get(build) ?? build(this.#config);
    this.#graphs.set(build, graph);
    return peakActivationBytes(graph, { ...sizes, "objects?": 1 });
  }
}
