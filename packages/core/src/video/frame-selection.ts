/**
 * Which frames a frame attends to (reference: modeling/sam2_base.py, `_prepare_memory_conditioned_features`, and
 * `select_closest_cond_frames` of modeling/sam2_utils.py). Numbers in, numbers out: whether a frame has been remembered
 * is the memory bank's business.
 */

/** One remembered frame's place in the attention: `slot` picks the temporal encoding (1 = the frame just before). */
export interface Recent {
  readonly slot: number;
  readonly frame: number;
}

/** One object pointer's place in the attention. */
export interface PointerFrame {
  readonly frame: number;
  /** Frames between it and the one that attends, in the direction of tracking. */
  readonly distance: number;
}

export interface ConditioningOptions {
  /** The frame that attends. */
  readonly frame: number;
  /** Conditioning frames in the order they were stored. */
  readonly stored: Iterable<number>;
  /** At most this many, at least 2; all if not given. */
  readonly max?: number | undefined;
}

/**
 * The conditioning frames attended to, in their order in the attention: all as they were stored, or, when there are more
 * than `max`, the closest before, the closest after (or the frame itself), then the nearest others.
 */
export function selectConditioningFrames({ frame, stored, max }: ConditioningOptions): readonly number[] {
  const all = [...stored];
  if (max === undefined || all.length <= max) return all;
  const before = all.filter((t) => t < frame);
  const after = all.filter((t) => t >= frame);
  const selected = [
    ...(before.length === 0 ? [] : [before.reduce((a, b) => Math.max(a, b))]),
    ...(after.length === 0 ? [] : [after.reduce((a, b) => Math.min(a, b))]),
  ];
  const nearest = all
    .filter((t) => !selected.includes(t))
    .sort((a, b) => Math.abs(a - frame) - Math.abs(b - frame))
    .slice(0, max - selected.length);
  return [...selected, ...nearest];
}

export interface RecentOptions {
  /** The frame that attends. */
  readonly frame: number;
  /** Memories a frame attends to, the conditioning one included. */
  readonly memories: number;
  readonly stride: number;
  readonly reverse: boolean;
}

/**
 * The places of the other frames attended to, oldest first. With a stride, all but the nearest fall on its multiples.
 * They may lie outside the video, or be conditioning frames.
 */
export function recentFrames({ frame, memories, stride, reverse }: RecentOptions): readonly Recent[] {
  return Array.from({ length: memories - 1 }, (_, i) => {
    const slot = memories - 1 - i;
    return { slot, frame: slot === 1 ? frame + (reverse ? 1 : -1) : stridden(slot) };
  });

  function stridden(slot: number): number {
    const back = (slot - 2) * stride;
    return reverse ? Math.ceil((frame + 2) / stride) * stride + back : Math.floor((frame - 2) / stride) * stride - back;
  }
}

export interface PointerOptions {
  /** The frame that attends. */
  readonly frame: number;
  /** The conditioning frames it attends to, in their order. */
  readonly conditioning: readonly number[];
  /** Pointers it attends to at most, one conditioning frame's included: see `pointerLimit`. */
  readonly limit: number;
  readonly reverse: boolean;
}

/** How many pointers a frame attends to, of `frames` in the video (`undefined`: not known) and the model's own limit. */
export function pointerLimit(frames: number | undefined, maxObjectPointers: number): number {
  return Math.min(frames ?? maxObjectPointers, maxObjectPointers);
}

/**
 * Where object pointers come from: conditioning frames that tracking has passed (or is at), then the frames before,
 * nearest first. The stride does not count here.
 */
export function pointerFrames({ frame, conditioning, limit, reverse }: PointerOptions): {
  readonly conditioning: readonly PointerFrame[];
  readonly recent: readonly PointerFrame[];
} {
  const direction = reverse ? -1 : 1;
  return {
    conditioning: conditioning
      .map((t) => ({ frame: t, distance: (frame - t) * direction }))
      .filter(({ distance }) => distance >= 0),
    recent: Array.from({ length: Math.max(limit - 1, 0) }, (_, i) => ({
      frame: frame - (i + 1) * direction,
      distance: i + 1,
    })).filter((pointer) => pointer.frame >= 0),
  };
}

/** How far back a frame can attend to, conditioning frames aside: what is further from it can be forgotten. */
export function attentionReach({
  memories,
  stride,
  limit,
}: Pick<RecentOptions, "memories" | "stride"> & Pick<PointerOptions, "limit">): number {
  // The oldest slot is memories - 3 strides behind a multiple of the stride, which is up to stride + 1 frames behind.
  const maps = memories < 3 ? memories - 1 : (memories - 3) * stride + stride + 1;
  return Math.max(maps, limit - 1);
}
