import type { Sam2Config } from "./config.ts";
import { gridSize } from "./grid.ts";
import { encoderOf, type FeatureLevels } from "./image-encoder.ts";
import { memoryOf } from "./video-memory.ts";

/** Tokens in rows, with channels each. */
export interface TokenMap {
  readonly tokens: number;
  readonly channels: number;
}

/** The sizes that a model's host needs, whatever kinds of encoder and memory it has. */
export interface Geometry {
  /** Side of the square the model sees, in pixels. */
  readonly imageSize: number;
  /** Side of the low-resolution masks that it takes and gives. */
  readonly maskSide: number;
  /** Channels of an object pointer. */
  readonly width: number;
  /** What the image encoder gives of each image. */
  readonly features: FeatureLevels<TokenMap>;
  /** What one object is remembered by on one frame. */
  readonly memory: TokenMap;
  /** Memories a frame attends to, the conditioning one included. */
  readonly memories: number;
  /** Object pointers a frame attends to at most. */
  readonly maxObjectPointers: number;
  /** As many tokens of a memory's width is one object pointer. */
  readonly pointerTokens: number;
}

/** The sizes of a model that follow from its config. */
export function geometry(c: Sam2Config): Geometry {
  const { imageSize, width, memory } = c;
  const grid = gridSize(c);
  const cells = grid ** 2;
  return {
    imageSize,
    maskSide: 4 * grid,
    width,
    features: {
      imageEmbeddings: { tokens: cells, channels: width },
      ...(encoderOf(c).highRes && {
        highRes1: { tokens: 4 * cells, channels: width / 4 },
        highRes0: { tokens: 16 * cells, channels: width / 8 },
      }),
    },
    memory: { tokens: memoryOf(c).tokens(c), channels: memory.width },
    memories: memory.frames,
    maxObjectPointers: memory.maxObjectPointers,
    pointerTokens: width / memory.width,
  };
}
