/** What `pnpm bench` measures. against.py does the same work in PyTorch, under the same names. */
import {
  type Backend,
  type DeviceTensor,
  type GraphName,
  geometry,
  type HostTensor,
  type Precision,
  type Sam2,
  type TokenMap,
  VideoPredictor,
} from "@masklet/core";
import { type DimBindings, type Executable, float32, int32, type Tensor } from "@masklet/core/backend";
import { hashedTensor } from "@masklet/core/testing";

const PROMPTS = 64;
const MEMORIES = 7;
const POINTERS = 16;

export interface Work {
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

function hashedMap(name: string, { tokens, channels }: TokenMap): HostTensor<"float32"> {
  return hashedTensor(name, [1, tokens, channels], 1);
}

/** Point prompts through one run of the decoder, on one image's features. */
const decode = (count: number): Work["prepare"] => {
  return async (model) => {
    const { imageSize, maskSide: side, features } = geometry(model.config);
    return repeat(model, await model.executable("maskDecoder"), {
      ...Object.fromEntries(
        Object.entries(features).map(([name, map]: [string, TokenMap]) => [name, hashedMap(`bench.${name}`, map)]),
      ),
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

export const work: readonly Work[] = [
  {
    name: "encode one image",
    tiny: 207,
    mark: 0.6,
    speedups: { q8: 1.5 },
    graphs: [["imageEncoder", { images: 1 }]],
    prepare: async (model) => {
      const { imageSize } = model.config;
      return repeat(model, await model.executable("imageEncoder"), {
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
      const { maskSide: side, features } = geometry(model.config);
      return repeat(model, await model.executable("memoryEncoder"), {
        imageEmbeddings: hashedMap("bench.features", features.imageEmbeddings),
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
      const { features, memory, pointerTokens } = geometry(model.config);
      const pointers: TokenMap = { tokens: POINTERS * pointerTokens, channels: memory.channels };
      return repeat(model, await model.executable("memoryAttention"), {
        imageEmbeddings: hashedMap("bench.features", features.imageEmbeddings),
        memories: hashedTensor("bench.memories", [1, MEMORIES, memory.tokens, memory.channels], 1),
        slots: int32([MEMORIES], Int32Array.of(6, 0, 1, 2, 3, 4, 5)),
        pointers: hashedMap("bench.pointers", pointers),
        pointerPositions: hashedMap("bench.positions", pointers),
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
export function repeat(
  device: Pick<Backend, "upload">,
  executable: Executable,
  feeds: Readonly<Record<string, HostTensor>>,
): () => Promise<void> {
  const uploaded: Record<string, Tensor> = {};
  for (const [input, tensor] of Object.entries(feeds)) uploaded[input] = device.upload(tensor);
  return async () => release(await executable.run(uploaded));
}

function release(outputs: Readonly<Record<string, DeviceTensor>>): void {
  for (const tensor of Object.values(outputs)) tensor.dispose();
}
