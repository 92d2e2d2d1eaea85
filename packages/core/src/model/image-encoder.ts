import type { WeightStore } from "../checkpoint/weight-store.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Value } from "../graph/graph.ts";
import type { WeightScope } from "../nn/weight-scope.ts";
import type { EncoderConfig, EncoderKind, Sam2Config } from "./config.ts";
import type { Fields } from "./fields.ts";
import { encoders } from "./kinds.ts";
import type { Rename } from "./renames.ts";
import type { ShapesAt } from "./weight-shapes.ts";

/** One of each level of an image's features. Kinds without the finer levels have stride 16 alone. */
export interface FeatureLevels<T> {
  /** Stride 16, [images, grid * grid, width], without `no_mem_embed`. */
  readonly imageEmbeddings: T;
  /** Stride 8 after `conv_s1`, [images, grid * grid * 4, width / 4] in quad order (see `toPairs`). */
  readonly highRes1?: T;
  /** Stride 4 after `conv_s0`, [images, grid * grid * 16, width / 8] in quad order (see `toQuads`). */
  readonly highRes0?: T;
}

/** Another thing of each level that there is, stride 16 first. */
export function mapLevels<T, R>(
  { imageEmbeddings, highRes1, highRes0 }: FeatureLevels<T>,
  map: (level: T, name: keyof FeatureLevels<T>) => R,
): FeatureLevels<R> {
  return {
    imageEmbeddings: map(imageEmbeddings, "imageEmbeddings"),
    ...(highRes1 !== undefined && { highRes1: map(highRes1, "highRes1") }),
    ...(highRes0 !== undefined && { highRes0: map(highRes0, "highRes0") }),
  };
}

/** What an encoder makes of images. */
export type ImageFeatures = FeatureLevels<Value>;

/** A model whose encoder is known. */
export type WithEncoder<C> = Omit<Sam2Config, "encoder"> & { readonly encoder: C };

/** A kind of image encoder: all that the rest of the model needs to know of it. Weights have their official names. */
export interface ImageEncoder<C> {
  /** Reads its sizes. Throws a `CheckpointError` "config-invalid" by field. */
  readonly parse: {
    /** From the reference's own words in snake case. */
    readonly reference: (root: Fields) => C;
    /** From transformers' `config.json`, where what is absent has transformers' default. */
    readonly transformers: (root: Fields) => { readonly imageSize: number; readonly encoder: C };
  };
  /** Whether it gives the decoder features of strides 4 and 8 too. */
  readonly highRes: boolean;
  /** Throws a `CheckpointError` "config-invalid" unless its sizes fit together. */
  readonly check: (c: WithEncoder<C>) => void;
  /** Whether tensors are of these sizes, as far as shapes tell it from others of the kind. */
  readonly recognise: (store: WeightStore, c: WithEncoder<C>) => boolean;
  /** Its weights, with those of the decoder that it applies. */
  readonly inventory: (at: ShapesAt, c: WithEncoder<C>) => void;
  /** image [images, imageSize, imageSize, 3], normalised. */
  readonly build: (g: GraphBuilder, root: WeightScope, c: WithEncoder<C>, image: Value) => ImageFeatures;
  /** Where q8 and q4 round the weights of linear layers, and q8 also queries and keys. */
  readonly roundedScopes: readonly string[];
  /** Small weights that training changes: they stand for all when features are saved. */
  readonly fingerprint: readonly string[];
  /** From transformers' names of its weights. */
  readonly renames: readonly Rename[];
}

/** What knows a model's encoder. */
export function encoderOf<K extends EncoderKind>(c: WithEncoder<EncoderConfig<K>>): ImageEncoder<EncoderConfig<K>> {
  return encoders[c.encoder.kind];
}
