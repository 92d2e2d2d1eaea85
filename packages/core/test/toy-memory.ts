/**
 * Memories of a quarter as many tokens as the map has cells, a kind that no model of the family has; the attention to them
 * knows no positions but time.
 */
import type { GraphBuilder } from "../src/graph/builder.ts";
import { type Dim, mulDims } from "../src/graph/dim.ts";
import type { Value } from "../src/graph/graph.ts";
import type { Fields } from "../src/model/fields.ts";
import { memoryEncoderShapes } from "../src/model/full-memory.ts";
import { gridSize } from "../src/model/grid.ts";
import type { MemoryAttentionInputs } from "../src/model/memory-attention.ts";
import { type MemoryEncoderInputs, memoryEncoder } from "../src/model/memory-encoder.ts";
import type { MemorySizes, VideoMemory, WithMemory } from "../src/model/video-memory.ts";
import { linear, projectedAttention } from "../src/nn/layers.ts";
import type { WeightScope } from "../src/nn/weight-scope.ts";

interface ToyMemoryConfig extends MemorySizes {
  readonly kind: "toy-quarter";
}

type ToyMemory = WithMemory<ToyMemoryConfig>;

const parse = (_: Fields, sizes: MemorySizes): ToyMemoryConfig => ({ kind: "toy-quarter", ...sizes });
const tokens = (c: ToyMemory): number => gridSize(c) ** 2 / 4;

export const toyMemory: VideoMemory<ToyMemoryConfig> = {
  parse: { reference: parse, transformers: parse },
  inventory: (at, c) => {
    memoryEncoderShapes(at, c);
    at("memory_encoder.").linear("compress", 4 * c.memory.width, c.memory.width);
    at("memory_attention.").attention("cross_attn", c.width, c.width, c.memory.width);
  },
  check: () => {},
  tokens,
  encode,
  singleMemoryApart: false,
  attend,
  roundedScopes: ["memory_attention.cross_attn"],
  renames: [],
};

function encode(g: GraphBuilder, root: WeightScope, c: ToyMemory, inputs: MemoryEncoderInputs): Value {
  const map = memoryEncoder(g, root, c, inputs);
  const fours = g.reshape(map, [map.dims[0] as Dim, tokens(c), 4 * c.memory.width]);
  return linear(g, root.at("memory_encoder").at("compress"), fours, c.memory.width);
}

function attend(g: GraphBuilder, root: WeightScope, c: ToyMemory, inputs: MemoryAttentionInputs): Value {
  const { width, memory } = c;
  const { imageEmbeddings, memories, slots, pointers, pointerPositions } = inputs;
  const [objects, count] = memories.dims as readonly [Dim, Dim, number, number];
  const encodings = g.reshape(root.tensor("maskmem_tpos_enc", [memory.frames, 1, 1, memory.width]), [
    memory.frames,
    1,
    memory.width,
  ]);
  const placed = g.add(memories, g.gather(encodings, slots)); // [objects, memories, tokens, memoryWidth]
  const maps = g.reshape(placed, [objects, mulDims(count, tokens(c)), memory.width]);
  const keys = g.concat([maps, g.add(pointers, pointerPositions)], 1);
  const q = g.expand(imageEmbeddings, [objects, ...imageEmbeddings.dims.slice(1)]);
  const w = root.at("memory_attention").at("cross_attn");
  return g.add(q, projectedAttention(g, w, { q, k: keys, v: keys }, { heads: 1, innerWidth: width }));
}
