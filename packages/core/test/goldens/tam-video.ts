/** EdgeTAM tracking a few frames against its authors' own predictor, under hashed weights, end to end. */
import { describe, expect, test } from "vitest";
import { bytesSource } from "../../src/checkpoint/byte-source.ts";
import { openCheckpoint } from "../../src/checkpoint/load.ts";
import type { Mask } from "../../src/mask/mask.ts";
import { presets } from "../../src/model/config.ts";
import type { Label, Point } from "../../src/prompt/prompt.ts";
import { Sam2 } from "../../src/sam2.ts";
import { hashedWeights } from "../../src/testing/hashed-weights.ts";
import type { VideoObject } from "../../src/video/frame-result.ts";
import { VideoPredictor } from "../../src/video/video-predictor.ts";
import { MaskComparison } from "./masks.ts";
import { type CreateBackend, readJson, type Shared, skipSuite } from "./shared.ts";

/**
 * In standard deviations, absolute, and least IoU. The reference, disturbed by 1e-4, differs from itself by 1.5e-3 and an
 * IoU of 0.9996. Memories are rounded to bfloat16, whose steps are up to 2^-8 of a value.
 */
const limits = { logits: 5e-3, pointer: 5e-3, score: 1e-3, memory: 2e-2, maskIou: 0.998 } as const;

interface FrameRecord {
  readonly frame: number;
  readonly low_res_sample: readonly number[];
  /** Mean, standard deviation, largest magnitude. */
  readonly low_res_stats: readonly [number, number, number];
  readonly object_score: number;
  readonly obj_ptr: readonly number[];
  readonly memory_sample: readonly number[];
  readonly mask: readonly number[];
}

interface Click {
  readonly points: readonly Point[];
  readonly labels: readonly Label[];
}

interface Record {
  readonly frames: number;
  readonly scenarios: {
    readonly mask: { readonly log: readonly FrameRecord[] };
    readonly click: { readonly prompt: Click; readonly log: readonly FrameRecord[] };
  };
}

type Name = keyof Record["scenarios"];
const both: readonly Name[] = ["mask", "click"];

/** Declares the tests of a backend's numbers. */
export function testTamVideo(createBackend: CreateBackend, { shared }: { readonly shared: Shared | undefined }): void {
  const title = "goldens of EdgeTAM's video predictor";
  if (shared === undefined) {
    skipSuite(title);
    return;
  }

  describe(title, () => {
    test("two objects at once, as each was recorded alone, and is alone", async () => {
      await using backend = asyncDisposable(await createBackend());
      const record = await readJson<Record>(shared, "goldens/tam/edgetam_video.json");
      const config = presets.edgetam;
      await using model = await Sam2.fromWeights(hashedWeights(config), { backend: backend.value, config });
      const files = shared.list("media/clip").slice(0, record.frames);
      const images = await Promise.all(files.map((name) => shared.image(`media/clip/${name}`)));
      const [first] = images as [(typeof images)[number]];
      const size = { width: first.width, height: first.height };
      const picture = await shared.image("media/clip.mask.png");
      const mask: Mask = {
        ...size,
        data: Uint8Array.from({ length: size.width * size.height }, (_, i) =>
          (picture.data[i * picture.channels] as number) > 0 ? 1 : 0,
        ),
      };

      const track = async (names: readonly Name[], frames = record.frames) => {
        const frame = async (index: number) => images[index];
        const source = { size, count: images.length, frame };
        await using session = new VideoPredictor(model, { fillHoleArea: 0 }).start(source);
        for (const [object, name] of names.entries()) {
          const { points, labels } = record.scenarios.click.prompt;
          if (name === "mask") await session.addMask({ frame: 0, object, mask });
          else await session.addPrompt({ frame: 0, object, points, labels });
        }
        const results: (readonly VideoObject[])[] = [];
        for await (const { objects } of session.propagate()) {
          results.push(objects);
          if (results.length === frames) break;
        }
        const bank = await openCheckpoint(bytesSource(session.save(), "session"));
        const kept = async (object: number, frame: number, what: string): Promise<Float32Array> =>
          (await bank.read(`objects.${object}.${frame === 0 ? "conditioning" : "recent"}.${frame}.${what}`)).data;
        return { results, kept };
      };

      const { results, kept } = await track(both);
      expect(results).toHaveLength(record.frames);
      const masks = new MaskComparison({ maskIou: limits.maskIou, pixels: 0, meanIou: limits.maskIou });
      for (const [object, name] of both.entries()) {
        for (const golden of record.scenarios[name].log) {
          const { frame } = golden;
          const where = `${name}, frame ${frame}`;
          const found = results[frame]?.[object] as VideoObject;
          const deviation = golden.low_res_stats[1];
          const logits = found.lowResLogits.data;
          expect(apart(logits, golden.low_res_sample, 61) / deviation, `${where}: logits`).toBeLessThan(limits.logits);
          const pointer = await kept(object, frame, "pointer");
          expect(apart(pointer, golden.obj_ptr, 4), `${where}: pointer`).toBeLessThan(limits.pointer);
          const memory = await kept(object, frame, "memory");
          expect(apart(memory, golden.memory_sample, 31), `${where}: memory`).toBeLessThan(limits.memory);
          expect(Math.abs(found.objectScore - golden.object_score), `${where}: score`).toBeLessThan(limits.score);
          masks.expectMask(found.mask, golden.mask, where);
        }
      }
      masks.expectMean();

      const alone = await track(["click"], 3); // the third attends to two memories
      expect(alone.results).toHaveLength(3);
      for (const [frame, objects] of alone.results.entries()) {
        const [together, single] = [results[frame]?.[1], objects[0]] as [VideoObject, VideoObject];
        expect(apart(together.lowResLogits.data, single.lowResLogits.data, 1), `frame ${frame}`).toBeLessThan(1e-3);
      }
    });
  });
}

/** The largest difference of every `stride`-th value from those recorded. */
function apart(values: Float32Array, recorded: ArrayLike<number>, stride: number): number {
  expect(recorded.length).toBe(Math.ceil(values.length / stride));
  return Array.from(recorded).reduce(
    (most, value, i) => Math.max(most, Math.abs((values[i * stride] as number) - value)),
    0,
  );
}

function asyncDisposable<T extends { dispose(): Promise<void> }>(value: T) {
  return { value, [Symbol.asyncDispose]: () => value.dispose() };
}
