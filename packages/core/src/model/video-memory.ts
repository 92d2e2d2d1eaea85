import type { GraphBuilder } from "../graph/builder.ts";
import type { Value } from "../graph/graph.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import type { MemoryConfig, MemoryKind, Sam2Config } from "./config.ts";
import type { Fields } from "./fields.ts";
import { memories } from "./kinds.ts";
import type { MemoryAttentionInputs } from "./memory-attention.ts";
import type { MemoryEncoderInputs } from "./memory-encoder.ts";
import type { Rename } from "./renames.ts";
import type { ShapesAt } from "./weight-shapes.ts";

/** The sizes that every kind of memory has. */
export interface MemorySizes {
  /** Channels of a memory (`mem_dim`). */
  readonly width: number;
  /** Memories a frame attends to, the conditioning one included (`num_maskmem`). */
  readonly frames: number;
  /** Object pointers a frame attends to at most. */
  readonly maxObjectPointers: number;
  readonly attentionLayers: number;
  /** Hidden width of memory attention's MLPs. */
  readonly attentionMlpWidth: number;
}

/** A model whose memory is known. */
export type WithMemory<C> = Omit<Sam2Config, "memory"> & { readonly memory: C };

/** A kind of memory: all that the rest of the model needs to know of it. Weights have their official names. */
export interface VideoMemory<C> {
  /** Adds what it has beside the sizes of every kind. Throws a `CheckpointError` "config-invalid" by field. */
  readonly parse: {
    readonly reference: (root: Fields, sizes: MemorySizes) => C;
    readonly transformers: (root: Fields, sizes: MemorySizes) => C;
  };
  /** Throws a `CheckpointError` "config-invalid" unless its sizes fit the model's. */
  readonly check: (c: WithMemory<C>) => void;
  /** The weights of its encoder and of the attention to it. */
  readonly inventory: (at: ShapesAt, c: WithMemory<C>) => void;
  /** How many tokens one frame's memory has. */
  readonly tokens: (c: WithMemory<C>) => number;
  /** -> [objects, tokens, memory width] */
  readonly encode: (g: GraphBuilder, root: WeightScope, c: WithMemory<C>, inputs: MemoryEncoderInputs) => Value;
  /** Whether `attend` is another graph for a single memory, whose dimension then is 1. */
  readonly singleMemoryApart: boolean;
  /** -> [objects, cells, width], conditioned. */
  readonly attend: (g: GraphBuilder, root: WeightScope, c: WithMemory<C>, inputs: MemoryAttentionInputs) => Value;
  /** Where q8 and q4 round the weights of linear layers, and q8 also queries and keys. */
  readonly roundedScopes: readonly string[];
  /** From transformers' names of its weights. */
  readonly renames: readonly Rename[];
}

/** What knows a model's memory. */
export function memoryOf<K extends MemoryKind>(c: WithMemory<MemoryConfig<K>>): VideoMemory<MemoryConfig<K>> {
  return memories[c.memory.kind];
}
