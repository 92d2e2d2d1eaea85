/** Figures that were published for a model, beside what it gives here. */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  type DownloadOptions,
  downloadFile,
  ImagePredictor,
  type Mask,
  type MaskLogits,
  MaskletError,
  openVideo,
  type Prompt,
  parseJson,
  presetNamed,
  type RawImage,
  readImage,
  type Sam2,
  VideoPredictor,
} from "@masklet/core/node";

/** The corner of a mask's logits, rows of columns. */
type Corner = readonly (readonly number[])[];

interface FigurePrompt {
  readonly points?: readonly (readonly [number, number])[];
  readonly labels?: readonly (0 | 1)[];
  readonly box?: readonly [number, number, number, number];
}

interface ImageCase extends FigurePrompt {
  readonly image: string;
  readonly multimask: boolean;
  /** The case whose best mask is fed back. */
  readonly mask_from?: number;
  /** Highest first. */
  readonly iou_sorted: readonly number[];
  /** Of the mask with the highest predicted IoU. */
  readonly low_res: Corner;
}

interface VideoPrompt extends FigurePrompt {
  readonly id: number;
  /** Instead of points and box: the case of whose first frame the object of this id has its mask. */
  readonly mask_from?: number;
}

interface VideoCase {
  readonly video: string;
  readonly objects: readonly VideoPrompt[];
  readonly frames: number;
  /** [frame][object], at the frame's size. */
  readonly video_res: readonly (readonly Corner[])[];
}

/** A file of `packages/cli/figures`. */
export interface Figures {
  /** Where the numbers come from. */
  readonly about: string;
  /** By how much they may differ: predicted IoU absolutely, a logit as a share of it. */
  readonly tolerance: { readonly iou: number; readonly logit: number };
  readonly media: Readonly<Record<string, { readonly repository: string; readonly file: string }>>;
  readonly image: readonly ImageCase[];
  readonly video: readonly VideoCase[];
}

/** One number of a case, published and ours. */
export interface Figure {
  /** "image 3, predicted IoU 1" */
  readonly what: string;
  readonly published: number;
  readonly ours: number;
  readonly holds: boolean;
}

/** Those that ship with masklet, for published models. Rejects with a `MaskletError` "no-figures". */
export async function readFigures(model: string, path: string | undefined): Promise<Figures> {
  const name = presetNamed(model) ?? basename(model);
  const file = path ?? new URL(`../figures/${name}.json`, import.meta.url);
  try {
    return parseJson(await readFile(file)) as Figures;
  } catch (cause) {
    const problem =
      path === undefined ? "no figures are known for this model; name a file with --cases" : String(cause);
    throw new MaskletError("no-figures", `${path ?? model}: ${problem}`, { cause, details: { model } });
  }
}

export interface FigureSettings {
  /** A folder with the media, by the last part of their names; without it they are downloaded. */
  readonly media: string | undefined;
  readonly download: DownloadOptions;
  readonly onCase: (name: string) => void;
}

/** The figures of one case after another. */
export async function* compareFigures(
  model: Sam2,
  figures: Figures,
  { media, download, onCase }: FigureSettings,
): AsyncGenerator<readonly Figure[], void, void> {
  const { tolerance } = figures;
  const locate = async (name: string): Promise<string> => {
    const found = figures.media[name];
    if (found === undefined) throw new MaskletError("no-figures", `the figures name no media "${name}"`);
    return media === undefined
      ? downloadFile(found.repository, found.file, download)
      : join(media, basename(found.file));
  };
  const signal = download.signal;
  const options = signal && { signal };
  const near = (what: string, published: number, ours: number, allowed: number): Figure => ({
    what,
    published,
    ours,
    holds: Math.abs(ours - published) <= allowed,
  });
  const corner = (what: string, published: Corner, { width, data }: MaskLogits, limit: number): readonly Figure[] =>
    published.flatMap((row, y) =>
      row.map((logit, x) => {
        const expected = Math.max(-limit, Math.min(limit, logit));
        return near(
          `${what} [${y}, ${x}]`,
          expected,
          data[y * width + x] as number,
          tolerance.logit * Math.abs(expected),
        );
      }),
    );

  const images = new Map<string, RawImage>();
  const masks: MaskLogits[] = [];
  await using predictor = new ImagePredictor(model);
  for (const [i, { image: name, multimask, mask_from, iou_sorted, low_res, ...prompt }] of figures.image.entries()) {
    const title = `image ${i} (${name})`;
    onCase(title);
    if (!images.has(name)) {
      images.clear();
      images.set(name, await readImage(await locate(name), options));
      await predictor.setImage(images.get(name) as RawImage, options);
    }
    const asked: Prompt = {
      ...prompt,
      ...(mask_from === undefined ? {} : { maskInput: masks[mask_from] as MaskLogits }),
    };
    const found = await predictor.predict(asked, { multimaskOutput: multimask, ...options });
    const best = found.bestLogits;
    masks.push(best);
    const sorted = found.iouPredictions.toSorted((a, b) => b - a);
    yield [
      ...iou_sorted.map((iou, k) => near(`${title}, predicted IoU ${k + 1}`, iou, sorted[k] as number, tolerance.iou)),
      // What is fed back is clamped.
      ...corner(`${title}, logit`, low_res, best, 32),
    ];
  }

  const firstMasks: ReadonlyMap<number, Mask>[] = [];
  for (const [i, { video: name, objects, frames, video_res }] of figures.video.entries()) {
    const title = `video ${i} (${name})`;
    onCase(title);
    await using video = await openVideo(await locate(name), options);
    await using session = new VideoPredictor(model, { fillHoleArea: 0, returnLogits: true }).start(video);
    for (const { id: object, mask_from, ...prompt } of objects) {
      const mask = mask_from === undefined ? undefined : firstMasks[mask_from]?.get(object);
      if (mask === undefined) await session.addPrompt({ frame: 0, object, ...prompt }, options);
      else await session.addMask({ frame: 0, object, mask }, options);
    }
    for await (const { frame, objects: found } of session.propagate({ count: frames, ...options })) {
      if (frame === 0) firstMasks.push(new Map(found.map(({ id, mask }) => [id, mask])));
      const { width, height } = video.size;
      yield found.flatMap(({ id, logits }, k) =>
        corner(
          `${title}, frame ${frame}, object ${id}, logit`,
          video_res[frame]?.[k] ?? [],
          { width, height, data: logits as Float32Array },
          Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
}
