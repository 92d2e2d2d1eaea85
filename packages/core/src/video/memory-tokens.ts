/**
 * From remembered frames to the inputs of memory attention (reference: modeling/sam2_base.py,
 * `_prepare_memory_conditioned_features`).
 */
import type { Sam2Config } from "../model/config.ts";
import { geometry } from "../model/geometry.ts";
import type { Sam2 } from "../sam2.ts";
import { float32, type HostTensor, int32 } from "../tensor/tensor.ts";
import { fromBfloat16 } from "./bfloat16.ts";
import { pointerFrames, recentFrames, selectConditioningFrames } from "./frame-selection.ts";
import { frameForgotten, type ObjectMemory, type Remembered } from "./memory-bank.ts";

/** What one object offers a frame. */
export interface Attended {
  /** In the order of the attention, each with its row of `maskmem_tpos_enc`. */
  readonly maps: readonly { readonly memory: Uint16Array; readonly slot: number }[];
  readonly pointers: readonly { readonly pointer: Float32Array; readonly distance: number }[];
}

export interface AttendOptions {
  /** The frame that attends. */
  readonly frame: number;
  readonly reverse: boolean;
  readonly stride: number;
  readonly maxConditioningFrames: number | undefined;
  /** See `pointerLimit`. */
  readonly pointerLimit: number;
  /** Memories a frame attends to, the conditioning one included. */
  readonly memories: number;
  /** The row of `maskmem_tpos_enc` for conditioning frames. */
  readonly conditioningSlot: number;
}

/**
 * What `frame` attends to of an object that has a conditioning frame. Conditioning frames that the maximum left out
 * still serve as ordinary ones. Throws a `FrameForgottenError` where a frame that counts was dropped.
 */
export function attendedBy(memory: ObjectMemory, options: AttendOptions): Attended {
  const { frame, reverse, stride, memories, conditioningSlot, maxConditioningFrames, pointerLimit: limit } = options;
  const conditioning = selectConditioningFrames({
    frame,
    stored: memory.conditioning.keys(),
    max: maxConditioningFrames,
  });
  const selected = new Set(conditioning);
  const stored = (t: number): Remembered => memory.conditioning.get(t) as Remembered;
  const ordinary = (t: number): Remembered | undefined => {
    const found = memory.recent.get(t) ?? (selected.has(t) ? undefined : memory.conditioning.get(t));
    if (found === undefined && memory.isForgotten(t)) throw frameForgotten("propagate", { frame: t, needed: frame });
    return found;
  };
  const maps = conditioning.map((t) => ({ memory: stored(t).memory, slot: conditioningSlot }));
  for (const recent of recentFrames({ frame, memories, stride, reverse })) {
    const found = ordinary(recent.frame);
    if (found !== undefined) maps.push({ memory: found.memory, slot: recent.slot - 1 });
  }
  const places = pointerFrames({ frame, conditioning, limit, reverse });
  const pointers = places.conditioning.map((p) => ({ pointer: stored(p.frame).pointer, distance: p.distance }));
  for (const place of places.recent) {
    const found = ordinary(place.frame);
    if (found !== undefined) pointers.push({ pointer: found.pointer, distance: place.distance });
  }
  return { maps, pointers };
}

/** Objects with the same key go through memory attention together. */
export function batchKey({ maps, pointers }: Attended): string {
  return `${maps.map(({ slot }) => slot).join()};${pointers.length}`;
}

/** Memories, slots and pointers of a batch: objects with one `batchKey`. */
export function memoryFeeds(
  config: Sam2Config,
  encoding: PointerEncoding,
  batch: readonly Attended[],
): Readonly<Record<"memories" | "slots" | "pointers" | "pointerPositions", HostTensor>> {
  const { width, memory, pointerTokens } = geometry(config);
  const slots = batch[0]?.maps.map(({ slot }) => slot) ?? [];
  const size = memory.tokens * memory.channels;
  const memories = new Float32Array(batch.length * slots.length * size);
  const count = batch[0]?.pointers.length ?? 0;
  const pointers = new Float32Array(batch.length * count * width);
  const positions = new Float32Array(pointers.length);
  for (const [i, attended] of batch.entries()) {
    for (const [k, map] of attended.maps.entries()) {
      fromBfloat16(map.memory, memories, (i * slots.length + k) * size);
    }
    for (const [k, { pointer, distance }] of attended.pointers.entries()) {
      const at = (i * count + k) * width;
      pointers.set(pointer, at);
      const position = encoding.at(distance);
      for (let t = 0; t < pointerTokens; t++) positions.set(position, at + t * memory.channels);
    }
  }
  const pointerDims = [batch.length, count * pointerTokens, memory.channels];
  return {
    memories: float32([batch.length, slots.length, memory.tokens, memory.channels], memories),
    slots: int32([slots.length], Int32Array.from(slots)),
    pointers: float32(pointerDims, pointers),
    pointerPositions: float32(pointerDims, positions),
  };
}

/** The temporal encoding of object pointers, by their distance in frames. */
export interface PointerEncoding {
  /** [memoryWidth], for each token of a pointer. */
  at(distance: number): Float32Array;
}

/**
 * 2.1 projects a sine encoding of distance / (limit - 1): sines then cosines, each frequency twice (reference:
 * `get_1d_sine_pe` of modeling/sam2_utils.py). 2.0 adds nothing.
 */
export async function pointerEncoding(model: Sam2, limit: number): Promise<PointerEncoding> {
  const { width, memory } = geometry(model.config);
  if (model.config.version === "2.0") {
    const zeros = new Float32Array(memory.channels);
    return { at: () => zeros };
  }
  const weight = (await model.weight("obj_ptr_tpos_proj.weight")).data;
  const bias = (await model.weight("obj_ptr_tpos_proj.bias")).data;
  const known = new Map<number, Float32Array>();
  const half = width / 2;
  const encode = (distance: number): Float32Array => {
    const position = distance / Math.max(limit - 1, 1); // one frame has no distances
    const angles = Array.from({ length: half }, (_, i) => position / 10000 ** ((2 * Math.floor(i / 2)) / half));
    const sine = [...angles.map(Math.sin), ...angles.map(Math.cos)];
    return bias.map((b, row) =>
      sine.reduce((sum, value, column) => sum + value * (weight[row * width + column] as number), b),
    );
  };
  return {
    at: (distance) => {
      const found = known.get(distance) ?? encode(distance);
      // Conditioning frames can be any distance away: those are not worth keeping.
      if (distance < limit) known.set(distance, found);
      return found;
    },
  };
}
