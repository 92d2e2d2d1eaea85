/** Video tracking under the nano weights against Meta's own, end to end: every scenario, step by step. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RawImage } from "../../src/image/image.ts";
import type { Mask } from "../../src/mask/mask.ts";
import type { Label, Point, PromptBox } from "../../src/prompt/prompt.ts";
import type { Sam2 } from "../../src/sam2.ts";
import type { FrameResult, VideoObject } from "../../src/video/frame-result.ts";
import type { FrameSource } from "../../src/video/frame-source.ts";
import type { VideoOptions } from "../../src/video/options.ts";
import { VideoPredictor } from "../../src/video/video-predictor.ts";
import type { VideoSession } from "../../src/video/video-session.ts";
import { MaskComparison, type MaskLimits, pixelsApart } from "./masks.ts";
import { type CreateBackend, loadNano, readJson, type Shared, skipSuite, type TestedBackend } from "./shared.ts";

export interface VideoLimits extends MaskLimits {
  /** Largest error of a mask's mean logit. */
  readonly meanLogit: number;
  /** Largest error of an object score. */
  readonly objectScore: number;
}

/** What float32 arithmetic keeps to, in whatever order it adds; where the reference itself does not, see `SPREAD`. */
export const videoLimits: VideoLimits = { maskIou: 0.995, pixels: 4, meanIou: 0.999, meanLogit: 0.1, objectScore: 0.1 };

/**
 * How far a mask's IoU may lie below the lowest among the reference's own runs, disturbed by less than a pixel's rounding:
 * where an edge is that undecided, CPUs with other instructions disagree too.
 */
const SPREAD = 0.01;

export interface NanoVideoOptions {
  readonly shared: Shared | undefined;
  /** Default `videoLimits`. */
  readonly limits?: VideoLimits;
  /** Names in media/video.scenarios.json; all by default, and tracking many objects at once. */
  readonly scenarios?: readonly string[];
  /** How many records of each scenario's log to go through, where a frame takes long; all by default. */
  readonly records?: number;
}

interface PointsStep {
  readonly frame: number;
  readonly id: number;
  readonly points?: readonly Point[];
  readonly labels?: readonly Label[];
  readonly box?: PromptBox;
  readonly clear?: boolean;
}
type Step =
  | readonly ["points", PointsStep]
  | readonly ["mask", { readonly frame: number; readonly id: number; readonly path: string }]
  | readonly ["propagate", { readonly start?: number; readonly max?: number; readonly reverse?: boolean }]
  | readonly ["remove", { readonly id: number }]
  | readonly ["clear", { readonly frame: number; readonly id: number }]
  | readonly ["reset", Readonly<Record<string, never>>];
interface Scenario {
  readonly name: string;
  readonly frames: string;
  readonly flags?: Readonly<Record<string, boolean | number>>;
  readonly steps: readonly Step[];
}
interface GoldenFrame {
  readonly step: string;
  readonly frame: number;
  readonly ids: readonly number[];
  readonly masks: readonly (readonly number[])[];
  readonly mean_logit: readonly number[];
  readonly object_score: readonly (number | null)[];
}
type LogEntry =
  | GoldenFrame
  | { readonly step: "remove"; readonly ids: readonly number[]; readonly updated: readonly number[] }
  | { readonly step: "clear" | "reset" };
type Goldens = Readonly<Record<string, { readonly log: readonly LogEntry[] }>>;
/** For each mask of each entry of a scenario's log, the lowest IoU with it among disturbed runs of the reference. */
type Spread = Readonly<Record<string, readonly (readonly number[])[]>>;

const flagNames: Readonly<Record<string, keyof VideoOptions>> = {
  add_all_frames_to_correct_as_cond: "conditionOnCorrections",
  non_overlap_masks: "nonOverlappingMasks",
  max_cond_frames_in_attn: "maxConditioningFrames",
  memory_temporal_stride_for_eval: "memoryStride",
  fill_hole_area: "fillHoleArea",
};

function optionsOf({ flags = {} }: Scenario): VideoOptions {
  const options = Object.entries(flags).map(([flag, value]) => {
    const name = flagNames[flag];
    if (name === undefined) throw new Error(`unknown flag ${flag}`);
    return [name, value];
  });
  return { fillHoleArea: 0, returnLogits: true, ...Object.fromEntries(options) };
}

/** Declares the tests of the video predictor on a backend. */
export async function testNanoVideo(
  createBackend: CreateBackend,
  { shared, limits = videoLimits, scenarios: names, records = Number.POSITIVE_INFINITY }: NanoVideoOptions,
): Promise<void> {
  const part = records === Number.POSITIVE_INFINITY ? "" : ` (first ${records} records)`;
  const title = `nano video goldens${names === undefined ? "" : `: ${names.join(", ")}${part}`}`;
  if (shared === undefined) return skipSuite(title);
  const goldens = await readJson<Goldens>(shared, "goldens/nano/video.json");
  const spread = await readJson<Spread>(shared, "goldens/nano/video.spread.json");
  const scenarios = await readJson<readonly Scenario[]>(shared, "media/video.scenarios.json");
  const open = folders(shared);

  describe(title, () => {
    let backend: TestedBackend;
    let model: Sam2;
    const comparison = new MaskComparison(limits);
    beforeAll(async () => {
      backend = await createBackend();
      model = await loadNano(shared, backend);
    });
    afterAll(async () => {
      await model?.dispose();
      await backend?.dispose();
    });

    const expectFrame = (
      { frame, objects }: FrameResult,
      golden: GoldenFrame,
      itsOwn: readonly number[] | undefined,
    ): void => {
      expect({ frame, ids: objects.map(({ id }) => id) }).toEqual({ frame: golden.frame, ids: golden.ids });
      for (const [i, object] of objects.entries()) {
        const where = `${golden.step}: frame ${frame}, object ${object.id}`;
        const least = Math.min(limits.maskIou, (itsOwn?.[i] as number) - SPREAD);
        comparison.expectMask(object.mask, golden.masks[i] as readonly number[], where, least);
        const mean = meanLogit(object);
        const expectedMean = golden.mean_logit[i] as number;
        expect(Math.abs(mean - expectedMean), `${where}: mean logit ${mean}, ${expectedMean}`).toBeLessThan(
          limits.meanLogit,
        );
        const score = golden.object_score[i] ?? null;
        if (score === null) expect(object.objectScore, where).toBe(-1024);
        else {
          if (Math.abs(score) > 0.01) expect(object.objectScore > 0, `${where}: present`).toBe(score > 0);
          expect(Math.abs(object.objectScore - score), `${where}: score`).toBeLessThan(limits.objectScore);
        }
      }
    };

    test.each(names ?? scenarios.map(({ name }) => name))("%s", async (name) => {
      const scenario = scenarios.find((other) => other.name === name) as Scenario;
      await using session = new VideoPredictor(model, optionsOf(scenario)).start(await open(scenario.frames));
      const log = goldens[name]?.log.slice(0, records) ?? [];
      let at = 0;
      for (const step of scenario.steps) {
        if (at === records) break;
        for await (const result of run(shared, session, step)) {
          const itsOwn = spread[name]?.[at];
          const golden = log[at++] as LogEntry;
          expect(golden, `${name}: more than the log's ${log.length} records`).toBeDefined();
          if ("objects" in result) expectFrame(result, golden as GoldenFrame, itsOwn);
          else expect(result).toEqual(golden);
          if (at === records) break;
        }
      }
      expect(at).toBe(log.length);
    });

    if (names === undefined) {
      test("eight objects together are the eight one by one", async () => {
        const clip = await open("clip");
        const predictor = new VideoPredictor(model);
        const clicks: readonly Point[] = [
          [57, 143],
          [422, 113],
          [183, 166],
          [272, 155],
          [153, 166],
          [292, 132],
          [30, 30],
          [400, 200],
        ];
        const track = async (objects: readonly number[]): Promise<readonly FrameResult[]> => {
          await using session = predictor.start(clip);
          for (const object of objects)
            await session.addPrompt({ frame: 0, object, points: [clicks[object] as Point] });
          const frames: FrameResult[] = [];
          for await (const frame of session.propagate({ count: 5 })) frames.push(frame);
          return frames;
        };
        const together = await track([...clicks.keys()]);
        for (const object of clicks.keys()) {
          for (const [i, alone] of (await track([object])).entries()) {
            const apart = pixelsApart(alone.objects[0]?.mask as Mask, together[i]?.objects[object]?.mask as Mask);
            expect(apart, `frame ${i}, object ${object}`).toBeLessThanOrEqual(4);
          }
        }
      });
    }

    test("the mean IoU of all masks", () => comparison.expectMean());

    test("no tensor is left over", () => {
      expect(backend.liveTensors).toBe(0);
    });
  });
}

/** Folders of frames; many scenarios read the same ones. */
function folders(shared: Shared): (name: string) => Promise<FrameSource> {
  const decoded = new Map<string, Promise<RawImage>>();
  return async (name) => {
    const files = shared.list(`media/${name}`);
    const frame = (index: number): Promise<RawImage> => {
      const path = `media/${name}/${files[index]}`;
      const image = decoded.get(path) ?? shared.image(path);
      decoded.set(path, image);
      return image;
    };
    const { width, height } = await frame(0);
    return { size: { width, height }, count: files.length, frame };
  };
}

/** What a step produces, in the words of the log. */
async function* run(shared: Shared, session: VideoSession, [kind, step]: Step): AsyncGenerator<FrameResult | LogEntry> {
  if (kind === "points") {
    const { id, clear, ...prompt } = step;
    yield session.addPrompt({ ...prompt, object: id, ...(clear === undefined ? {} : { clearOldPoints: clear }) });
  } else if (kind === "mask") {
    yield session.addMask({
      frame: step.frame,
      object: step.id,
      mask: maskOf(await shared.image(`media/${step.path}`)),
    });
  } else if (kind === "propagate") {
    const { max, ...rest } = step;
    yield* session.propagate({ ...rest, ...(max === undefined ? {} : { count: max + 1 }) });
  } else if (kind === "remove") {
    const updated = await session.removeObject(step.id);
    yield { step: kind, ids: session.objectIds, updated: updated.map(({ frame }) => frame) };
  } else if (kind === "clear") {
    await session.clearPrompts({ frame: step.frame, object: step.id });
    yield { step: kind };
  } else {
    await session.reset();
    yield { step: kind };
  }
}

/** A picture in black and white as a mask. */
function maskOf({ width, height, channels, data }: RawImage): Mask {
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, i) => ((data[i * channels] as number) >= 128 ? 1 : 0)),
  };
}

function meanLogit({ logits }: VideoObject): number {
  if (logits === undefined) throw new Error("no logits");
  return logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
}
