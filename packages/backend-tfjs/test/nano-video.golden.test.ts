/** Video tracking under the nano weights against Meta's own, end to end, on the wasm engine: every scenario, step by step. */
import { readdirSync } from "node:fs";
import {
  decodeRle,
  type FrameSource,
  type Image,
  type Label,
  type Mask,
  type Point,
  type PromptBox,
  type VideoFrame,
  type VideoObject,
  type VideoOptions,
  VideoPredictor,
  type VideoSession,
} from "@masklet/core";
import { readImage, readMask, Sam2 } from "@masklet/core/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTfjsBackend } from "../src/node.ts";
import { hasShared, readShared, sharedPath } from "./shared.ts";

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

const goldens = hasShared ? (readShared("goldens/nano/video.json") as Goldens) : {};
const scenarios = hasShared ? (readShared("media/video.scenarios.json") as readonly Scenario[]) : [];

const flagNames: Readonly<Record<string, keyof VideoOptions>> = {
  add_all_frames_to_correct_as_cond: "addAllFramesToCorrectAsCond",
  non_overlap_masks: "nonOverlapMasks",
  max_cond_frames_in_attn: "maxCondFramesInAttention",
  memory_temporal_stride_for_eval: "memoryTemporalStride",
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

/** The same pictures are read by many scenarios. */
const decoded = new Map<string, Promise<Image>>();

async function folder(name: string): Promise<FrameSource> {
  const files = readdirSync(sharedPath(`media/${name}`)).sort();
  const frame = (index: number): Promise<Image> => {
    const path = sharedPath(`media/${name}/${files[index]}`);
    const image = decoded.get(path) ?? readImage(path);
    decoded.set(path, image);
    return image;
  };
  const { width, height } = await frame(0);
  return { size: { width, height }, count: files.length, frame };
}

/** What a step produces, in the words of the log. */
async function* run(session: VideoSession, [kind, step]: Step): AsyncGenerator<VideoFrame | LogEntry> {
  if (kind === "points") {
    const { id, clear, ...prompt } = step;
    yield session.addPrompt({ ...prompt, object: id, ...(clear === undefined ? {} : { clearOldPoints: clear }) });
  } else if (kind === "mask") {
    yield session.addMask({
      frame: step.frame,
      object: step.id,
      mask: await readMask(sharedPath(`media/${step.path}`)),
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

describe.skipIf(!hasShared)("nano video goldens (needs ../shared/goldens)", () => {
  let backend: Awaited<ReturnType<typeof createTfjsBackend>>;
  let model: Sam2;
  const ious: number[] = [];
  beforeAll(async () => {
    backend = await createTfjsBackend({ engine: "wasm" });
    model = await Sam2.load(sharedPath("nano/sam2.1_hiera_nano.pt"), { backend });
  });
  afterAll(async () => {
    await model?.dispose();
    await backend?.dispose();
  });

  test.each(scenarios.map((scenario) => ({ name: scenario.name, scenario })))("$name", async ({ name, scenario }) => {
    using session = new VideoPredictor(model, optionsOf(scenario)).start(await folder(scenario.frames));
    const log = goldens[name]?.log ?? [];
    let at = 0;
    for (const step of scenario.steps) {
      for await (const result of run(session, step)) {
        const golden = log[at++] as LogEntry;
        expect(golden, `${name}: more than the log's ${log.length} records`).toBeDefined();
        if ("objects" in result) expectFrame(result, golden as GoldenFrame, ious);
        else expect(result).toEqual(golden);
      }
    }
    expect(at).toBe(log.length);
  });

  test("the mean IoU of all masks", () => {
    const mean = ious.reduce((sum, iou) => sum + iou, 0) / ious.length;
    expect(mean, `${ious.length} masks, least IoU ${Math.min(...ious)}`).toBeGreaterThanOrEqual(0.999);
  });

  test("no tensor is left over", () => {
    expect(backend.liveTensors).toBe(0);
  });
});

function expectFrame({ frame, objects }: VideoFrame, golden: GoldenFrame, ious: number[]): void {
  expect({ frame, ids: objects.map(({ id }) => id) }).toEqual({ frame: golden.frame, ids: golden.ids });
  for (const [i, object] of objects.entries()) {
    const where = `${golden.step}: frame ${frame}, object ${object.id}`;
    const size: [number, number] = [object.mask.height, object.mask.width];
    const expected = decodeRle({ size, counts: golden.masks[i] as readonly number[] });
    const { apart, iou } = compare(object.mask, expected);
    ious.push(iou);
    expect(apart <= 4 || iou >= 0.995, `${where}: ${apart} pixels apart, IoU ${iou}`).toBe(true);
    const mean = meanLogit(object);
    const expectedMean = golden.mean_logit[i] as number;
    expect(Math.abs(mean - expectedMean), `${where}: mean logit ${mean}, ${expectedMean}`).toBeLessThan(0.1);
    const score = golden.object_score[i] ?? null;
    if (score === null) expect(object.objectScore, where).toBe(-1024);
    else {
      if (Math.abs(score) > 0.01) expect(object.objectScore > 0, `${where}: present`).toBe(score > 0);
      expect(Math.abs(object.objectScore - score), `${where}: score`).toBeLessThan(0.1);
    }
  }
}

function meanLogit({ logits }: VideoObject): number {
  if (logits === undefined) throw new Error("no logits");
  return logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
}

function compare(a: Mask, b: Mask): { readonly apart: number; readonly iou: number } {
  let both = 0;
  let either = 0;
  for (const [i, value] of a.data.entries()) {
    both += value & (b.data[i] as number);
    either += value | (b.data[i] as number);
  }
  return { apart: either - both, iou: either === 0 ? 1 : both / either };
}
