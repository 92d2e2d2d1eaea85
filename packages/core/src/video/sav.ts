/**
 * Masklets as JSON, in the format of the SA-V dataset's training annotations: COCO's compressed run lengths by frame and
 * object, with statistics for each object. Field names, and what they mean, are those of sav_dataset/README.md.
 */
import { MaskError } from "../errors.ts";
import { fieldProblem, fieldsOf, isObject } from "../fields.ts";
import type { Size } from "../image/image.ts";
import { checkMaskFits, type Mask } from "../mask/mask.ts";
import { type CompressedRle, compressRle, decodeRle, encodeRle, rleArea } from "../mask/rle.ts";
import { checkKeys, type Keys } from "../options.ts";

/** The content of a `*_manual.json` or `*_auto.json` file. */
export interface SavAnnotation {
  readonly video_id: string;
  /** In seconds. */
  readonly video_duration: number;
  readonly video_frame_count: number;
  readonly video_height: number;
  readonly video_width: number;
  /** Height times width. */
  readonly video_resolution: number;
  /** "Indoor" or "Outdoor", in SA-V's own files. */
  readonly video_environment?: string | readonly string[];
  /** "train", in SA-V's own files. */
  readonly video_split?: string;
  /**
   * [annotated frame][object]. Objects are in the order of `masklet_id`; a mask without pixels is an object out of
   * sight, `null` one of which nothing is known on that frame (SAM 2's own loader takes it so).
   */
  readonly masklet: readonly (readonly (CompressedRle | null)[])[];
  readonly masklet_id: readonly number[];
  /** `masklet_size_abs` by the frame's. */
  readonly masklet_size_rel: readonly number[];
  /** Mean area in pixels over the frames that show the object; 0 if none does. */
  readonly masklet_size_abs: readonly number[];
  /** By `masklet_size_abs`: below 32^2, below 96^2, and the rest. */
  readonly masklet_size_bucket: readonly ("small" | "medium" | "large")[];
  /** How often the object comes and goes after it was first seen. */
  readonly masklet_visibility_changes: readonly number[];
  /** Place in `masklet` of the first frame that shows it; -1 if none does. */
  readonly masklet_first_appeared_frame: readonly number[];
  /** Annotated frames. */
  readonly masklet_frame_count: readonly number[];
  /** Frames that a person edited. */
  readonly masklet_edited_frame_count: readonly number[];
  readonly masklet_type: readonly ("auto" | "manual")[];
  /** `null` for each object, or [annotated frame][object], in SA-V's automatic files. */
  readonly masklet_stability_score?: readonly (number | null | readonly (number | null)[])[];
  readonly masklet_num: number;
}

/** One object on one frame. */
export interface MaskletObject {
  readonly id: number;
  readonly mask: Mask;
}

/** All objects on one frame: any `FrameResult` is one. */
export interface MaskletFrame {
  readonly frame: number;
  readonly objects: readonly MaskletObject[];
}

export interface MaskletRecorderOptions {
  /** Every so many frames are annotated, from frame 0: 4 for SA-V's 6 of 24 per second. Default 1. */
  readonly every?: number;
}

/** What an annotation says besides masks. */
export interface SavOptions {
  readonly videoId: string;
  readonly frameCount: number;
  /** In seconds. */
  readonly duration: number;
  /** On how many frames each object was prompted, by id: those with any are "manual", others "auto". */
  readonly edited?: ReadonlyMap<number, number>;
}

interface Recorded {
  readonly rle: CompressedRle;
  readonly area: number;
}

/** Collects masks as they come, as run lengths, which take about a kilobyte each, and makes SA-V's JSON of them. */
export class MaskletRecorder {
  readonly #size: Size;
  readonly #every: number;
  /** By object in the order they came, and by place in `masklet`. */
  readonly #masklets = new Map<number, Map<number, Recorded>>();

  /** `size` is the video's. Throws a `MaskError` "sav-option". */
  constructor({ width, height }: Size, options: MaskletRecorderOptions = {}) {
    checkKeys("MaskletRecorder", options, recorderKeys);
    const { every = 1 } = options;
    natural("every", every, 1);
    this.#size = { width, height };
    this.#every = every;
  }

  /**
   * Frames may come in any order; an object that comes again on one replaces what was there. Frames between those that
   * are annotated are passed over. Throws a `MaskError` "sav-option" for a frame that is no number, or for a mask of
   * another size than the video's.
   */
  add({ frame, objects }: MaskletFrame): void {
    natural("frame", frame, 0);
    for (const { mask } of objects) checkMaskFits("MaskletRecorder.add", mask, this.#size);
    if (frame % this.#every !== 0) return;
    for (const { id, mask } of objects) {
      const rle = encodeRle(mask);
      const masklet = this.#masklets.get(id) ?? new Map<number, Recorded>();
      masklet.set(frame / this.#every, { rle: compressRle(rle), area: rleArea(rle) });
      this.#masklets.set(id, masklet);
    }
  }

  /**
   * What was recorded so far, ready for `JSON.stringify`. Throws a `MaskError` "sav-option" for a count of frames that is
   * no number, or that leaves out recorded ones.
   */
  annotation(options: SavOptions): SavAnnotation {
    checkKeys("annotation", options, savKeys);
    const { videoId, frameCount, duration, edited = new Map() } = options;
    let last = -1;
    for (const masklet of this.#masklets.values()) for (const place of masklet.keys()) last = Math.max(last, place);
    natural("frameCount", frameCount, last * this.#every + 1);
    const { width, height } = this.#size;
    const annotated = Math.ceil(frameCount / this.#every);
    const ids = [...this.#masklets.keys()];
    const statistics = ids.map((id) => statisticsOf(this.#masklets.get(id) as ReadonlyMap<number, Recorded>));
    const sizes = statistics.map(({ size }) => size);
    return {
      video_id: videoId,
      video_duration: duration,
      video_frame_count: frameCount,
      video_height: height,
      video_width: width,
      video_resolution: height * width,
      masklet: Array.from({ length: annotated }, (_, place) =>
        ids.map((id) => this.#masklets.get(id)?.get(place)?.rle ?? null),
      ),
      masklet_id: ids,
      masklet_size_rel: sizes.map((size) => size / (width * height)),
      masklet_size_abs: sizes,
      masklet_size_bucket: sizes.map((size) => (size < 32 ** 2 ? "small" : size < 96 ** 2 ? "medium" : "large")),
      masklet_visibility_changes: statistics.map(({ changes }) => changes),
      masklet_first_appeared_frame: statistics.map(({ first }) => first),
      masklet_frame_count: statistics.map(({ frames }) => frames),
      masklet_edited_frame_count: ids.map((id) => edited.get(id) ?? 0),
      masklet_type: ids.map((id) => ((edited.get(id) ?? 0) > 0 ? "manual" : "auto")),
      masklet_stability_score: ids.map(() => null),
      masklet_num: ids.length,
    };
  }
}

function statisticsOf(masklet: ReadonlyMap<number, Recorded>): {
  readonly size: number;
  readonly changes: number;
  readonly first: number;
  readonly frames: number;
} {
  const recorded = [...masklet].sort(([a], [b]) => a - b);
  const start = recorded.findIndex(([, { area }]) => area > 0);
  const seen = recorded.slice(start).map(([, { area }]) => area);
  const visible = start < 0 ? [] : seen.filter((area) => area > 0);
  return {
    size: visible.length === 0 ? 0 : visible.reduce((sum, area) => sum + area, 0) / visible.length,
    changes: seen.filter((area, i) => i > 0 && area > 0 !== (seen[i - 1] as number) > 0).length,
    first: recorded[start]?.[0] ?? -1,
    frames: recorded.length,
  };
}

/**
 * Parsed JSON as an annotation, if it is one: SA-V's own files and those of `MaskletRecorder`. What is checked is what is
 * needed to give the masks back: size, ids, and a mask or `null` for each object on each frame. Throws a `MaskError`
 * "sav-malformed" that names the field.
 */
export function parseSav(json: unknown): SavAnnotation {
  if (!isObject(json)) throw malformed("", "an annotation", json);
  const root = fieldsOf(json, "", { fail: malformed });
  const [width, height, ids] = [root.size("video_width"), root.size("video_height"), root.integers("masklet_id")];
  root.expect("masklet_id", new Set(ids).size === ids.length, "a list of integers, each once");
  const masklet = root.value("masklet");
  if (!Array.isArray(masklet)) throw malformed("masklet", "a list of frames", masklet);
  for (const [place, objects] of masklet.entries()) {
    const frame = `masklet[${place}]`;
    if (!Array.isArray(objects) || objects.length !== ids.length) {
      throw malformed(frame, `a mask for each of ${ids.length} objects`, objects);
    }
    for (const [i, rle] of objects.entries()) {
      if (rle === null || isRle(rle, [height, width])) continue;
      throw malformed(`${frame}[${i}]`, `null or { size: [${height}, ${width}], counts }`, rle);
    }
  }
  return json as unknown as SavAnnotation; // as far as it will be used
}

/**
 * An annotation's frames, their masks decoded as they are asked for. `every` is how many frames of the video lie between
 * two annotations: 4 for SA-V's own files. Throws as `parseSav` and `decodeRle`.
 */
export function* savFrames(
  annotation: SavAnnotation,
  options: MaskletRecorderOptions = {},
): Generator<MaskletFrame, void> {
  checkKeys("savFrames", options, recorderKeys);
  const { every = 1 } = options;
  natural("every", every, 1);
  const { masklet, masklet_id: ids } = parseSav(annotation);
  for (const [place, objects] of masklet.entries()) {
    yield {
      frame: place * every,
      objects: objects.flatMap((rle, i) => (rle === null ? [] : [{ id: ids[i] as number, mask: decodeRle(rle) }])),
    };
  }
}

function isRle(value: unknown, [height, width]: CompressedRle["size"]): boolean {
  const { size, counts } = isObject(value) ? value : {};
  return (
    typeof counts === "string" && Array.isArray(size) && size.length === 2 && size[0] === height && size[1] === width
  );
}

function malformed(field: string, expected: string, actual: unknown): MaskError {
  return new MaskError("sav-malformed", `SA-V annotation: ${fieldProblem(field, expected, actual)}`, {
    details: { field, expected, actual },
  });
}

function natural(option: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new MaskError("sav-option", `masklets: ${option} must be an integer of at least ${least}, got ${value}`, {
    details: { option, value },
  });
}

const savKeys: Keys<SavOptions> = { videoId: true, frameCount: true, duration: true, edited: true };
const recorderKeys: Keys<MaskletRecorderOptions> = { every: true };
