import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import { type Mask, maskArea, maskBox } from "../mask/mask.ts";
import { decodeRle } from "../mask/rle.ts";
import { Sam2 } from "../sam2.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import {
  type AutomaticMask,
  AutomaticMaskGenerator,
  type AutomaticMaskOptions,
  type AutomaticMaskStep,
  type GenerateOptions,
} from "./automatic-masks.ts";

const picture = noiseImage(50, 40);
/** Random weights make masks that no limit lets through. */
const loose: AutomaticMaskOptions = { pointsPerSide: 6, predIouThreshold: 0, stabilityScoreThreshold: 0 };

let backend: ObservedBackend;
let model: Sam2;
beforeAll(async () => {
  backend = new ObservedBackend();
  model = await Sam2.fromWeights(hashedWeights(toyConfig), { backend, config: toyConfig });
});
beforeEach(() => {
  backend.intervene = async () => {};
  backend.steps.length = 0;
});
afterEach(() => expect(backend.tensors).toBe(0));
afterAll(() => model.dispose());

const generate = (options: AutomaticMaskOptions, call?: GenerateOptions): Promise<readonly AutomaticMask[]> =>
  new AutomaticMaskGenerator(model, options).generate(picture, call);
const runs = (): number => backend.steps.filter((step) => step === "run maskDecoder").length;
const maskOf = ({ rle }: AutomaticMask): Mask => decodeRle(rle);

describe("a mask", () => {
  test("is what it says of itself", async () => {
    const masks = await generate({ ...loose, cropLayers: 1 });
    expect(masks.length).toBeGreaterThan(1);
    for (const mask of masks) {
      expect(mask.box).toEqual(maskBox(maskOf(mask)));
      expect([mask.area, mask.rle.size]).toEqual([maskArea(maskOf(mask)), [40, 50]]);
      const { x, y, width, height } = mask.cropBox;
      const [px, py] = mask.point;
      expect([px >= x, py >= y, px <= x + width, py <= y + height]).toEqual([true, true, true, true]);
    }
  });

  test("is held to every limit", async () => {
    const all = await generate({ ...loose, boxNmsThreshold: 1 });
    const [iou, stability] = [
      median(all.map((one) => one.iouPrediction)),
      median(all.map((one) => one.stabilityScore)),
    ];
    const of = (options: AutomaticMaskOptions) => generate({ ...loose, boxNmsThreshold: 1, ...options });
    // Predicted IoU that is asked first is the same up to rounding.
    const near = (value: number): unknown => expect.closeTo(value, 5);
    expect(await of({ predIouThreshold: iou + 1e-6 })).toEqual(
      all
        .filter((one) => one.iouPrediction > iou + 1e-6)
        .map((one) => ({
          ...one,
          iouPrediction: near(one.iouPrediction),
          stabilityScore: near(one.stabilityScore),
        })),
    );
    expect(await of({ stabilityScoreThreshold: stability })).toEqual(
      all.filter((one) => one.stabilityScore >= Math.fround(stability)),
    );
  });

  test("a threshold moves its edge", async () => {
    const areas = await Promise.all(
      [-0.5, 0, 0.5].map(async (maskThreshold) => {
        const masks = await generate({ ...loose, boxNmsThreshold: 1, maskThreshold });
        return masks.reduce((sum, { area }) => sum + area, 0);
      }),
    );
    expect(areas).toEqual([...areas].sort((a, b) => b - a));
    expect(new Set(areas).size).toBe(3);
  });
});

describe("the call", () => {
  test("gives the same however many points share a run", async () => {
    const one = await generate({ ...loose, pointsPerBatch: 5 });
    const ofOne = runs();
    expect(await generate({ ...loose, pointsPerBatch: 36 })).toEqual(one);
    expect([ofOne, runs() - ofOne]).toEqual([8, 1]);
  });

  test("streams what it finds, then what stays of it, and tells how far it is", async () => {
    const steps: AutomaticMaskStep[] = [];
    const fractions: number[] = [];
    const generator = new AutomaticMaskGenerator(model, { ...loose, pointsPerBatch: 9 });
    const onProgress = ({ loaded, total, fraction }: { loaded: number; total: number; fraction: number }): void => {
      expect(fraction).toBe(loaded / total);
      fractions.push(fraction);
    };
    for await (const step of generator.stream(picture, { onProgress })) steps.push(step);
    expect(fractions).toEqual([0.25, 0.5, 0.75, 1]);
    const found = steps.flatMap((step) => (step.kind === "found" ? step.masks : []));
    const last = steps.at(-1) as AutomaticMaskStep;
    expect([last.kind, last.fraction]).toEqual(["settled", 1]);
    for (const mask of last.masks) expect(found).toContain(mask);
    expect(last.masks.length).toBeLessThan(found.length);
    expect(last.masks).toEqual(await generator.generate(picture));
  });

  test("left in the middle, aborted or failed: nothing stays on the device, and the next one works", async () => {
    const generator = new AutomaticMaskGenerator(model, { ...loose, pointsPerBatch: 9 });
    const expected = await generator.generate(picture);
    for await (const step of generator.stream(picture)) {
      expect(step.kind).toBe("found");
      break;
    }
    const abort = new TestAbort();
    const onProgress = (): void => abort.abort();
    await expect(generator.generate(picture, { signal: abort.signal, onProgress })).rejects.toThrow(
      "aborted by the test",
    );
    backend.intervene = async (step) => {
      if (step === "run maskDecoder") throw new Error("lost");
    };
    await expect(generator.generate(picture)).rejects.toThrow("lost");
    backend.intervene = async () => {};
    expect(await generator.generate(picture)).toEqual(expected);
  });

  test("two at once do not see each other", async () => {
    const generator = new AutomaticMaskGenerator(model, loose);
    const others = noiseImage(30, 30);
    const [a, b] = [await generator.generate(picture), await generator.generate(others)];
    expect(await Promise.all([generator.generate(picture), generator.generate(others)])).toEqual([a, b]);
  });

  test("disposed of: what is under way ends, what comes is refused", async () => {
    const generator = new AutomaticMaskGenerator(model, { ...loose, pointsPerBatch: 1 });
    const under = generator.generate(picture);
    const refused = expect(under).rejects.toMatchObject({ code: "disposed" });
    await generator.dispose();
    expect(backend.tensors).toBe(0);
    await refused;
    // From within the loop too, which waits for itself otherwise.
    const within = new AutomaticMaskGenerator(model, { ...loose, pointsPerBatch: 9 });
    const loop = async (): Promise<void> => {
      for await (const _ of within.stream(picture)) {
        await within.dispose();
        expect(backend.tensors).toBe(0);
      }
    };
    await expect(loop()).rejects.toMatchObject({ code: "disposed" });
    await expect(generator.generate(picture)).rejects.toMatchObject({ code: "disposed" });
  });
});

describe("beyond the reference", () => {
  test("a region of interest asks points in it alone, of the whole image", async () => {
    const regionOfInterest = { x: 10, y: 20, width: 12, height: 6 };
    const masks = await generate(loose, { regionOfInterest });
    for (const { point, cropBox } of masks) {
      expect(point[0]).toBeGreaterThan(10);
      expect(point[0]).toBeLessThan(22);
      expect(point[1]).toBeGreaterThan(20);
      expect(point[1]).toBeLessThan(26);
      expect(cropBox).toEqual({ x: 0, y: 0, width: 50, height: 40 });
    }
    const whole = { x: 0, y: 0, width: 50, height: 40 };
    expect(await generate(loose, { regionOfInterest: whole })).toEqual(await generate(loose));
    for (const wrong of [
      { ...whole, width: 51 },
      { ...whole, x: -1 },
      { ...whole, height: 0 },
      { ...whole, x: 0.5 },
    ]) {
      await expect(generate(loose, { regionOfInterest: wrong })).rejects.toMatchObject({ code: "out-of-image" });
    }
  });

  test("masks that one has are left out", async () => {
    const all = await generate(loose);
    const [first, ...others] = all;
    const rest = await generate(loose, { known: [maskOf(first as AutomaticMask)] });
    expect(rest.length).toBeLessThan(all.length);
    for (const mask of rest) expect(others).toContainEqual(mask);
    await expect(generate(loose, { known: [decodeRle({ size: [1, 1], counts: [1] })] })).rejects.toMatchObject({
      code: "mask-size-mismatch",
    });
  });

  test("adaptive: points on what was found are left out, and the rest are asked", async () => {
    const generator = new AutomaticMaskGenerator(model, { ...loose, pointsPerSide: 8, pointsPerBatch: 1 });
    await generator.generate(picture);
    expect(runs()).toBe(64);
    backend.steps.length = 0;
    let last = 0;
    const masks = await generator.generate(picture, {
      adaptive: true,
      onProgress: ({ fraction }) => (last = fraction),
    });
    expect(runs()).toBeLessThan(64);
    expect(runs()).toBeGreaterThanOrEqual(4);
    expect(last).toBe(1);
    expect(masks.length).toBeGreaterThan(0);
  });
});

test.each<[string, Record<string, unknown>]>([
  ["pointsPerSide", { pointsPerSide: 0 }],
  ["pointsPerBatch", { pointsPerBatch: 1.5 }],
  ["predIouThreshold", { predIouThreshold: 1.1 }],
  ["stabilityScoreThreshold", { stabilityScoreThreshold: Number.NaN }],
  ["stabilityScoreOffset", { stabilityScoreOffset: -1 }],
  ["maskThreshold", { maskThreshold: Number.POSITIVE_INFINITY }],
  ["boxNmsThreshold", { boxNmsThreshold: -0.1 }],
  ["cropLayers", { cropLayers: -1 }],
  ["cropOverlapRatio", { cropOverlapRatio: 1 }],
  ["cropPointsDownscaleFactor", { cropPointsDownscaleFactor: 0 }],
  ["minMaskRegionArea", { minMaskRegionArea: -1 }],
  ["pointGrids", { pointGrids: [[[0.5, 1.5]]] }],
  ["pointGrids", { pointGrids: [[[0.5, 0.5]]], cropLayers: 1 }],
  ["pointsPerSide", { pointGrids: [[[0.5, 0.5]]], pointsPerSide: 2 }],
])("%s out of range: %o", (option, options) => {
  expect(() => new AutomaticMaskGenerator(model, options)).toThrow(
    expect.objectContaining({ code: "bad-option", details: expect.objectContaining({ option }) }),
  );
});

test("misspelt options are refused", async () => {
  const options = { pointsPerside: 3 } as AutomaticMaskOptions;
  expect(() => new AutomaticMaskGenerator(model, options)).toThrow(/did you mean pointsPerSide\?/);
  await expect(generate(loose, { adaptiv: true } as GenerateOptions)).rejects.toMatchObject({ code: "unknown-option" });
});

test("points of one's own, and an image that keeps nothing", async () => {
  const pointGrids = [[[0.25, 0.75]]] as const;
  const masks = await generate({ ...loose, pointsPerSide: undefined as never, pointGrids });
  for (const { point } of masks) expect(point).toEqual([12.5, 30]);
  expect(await generate({ pointsPerSide: 2, predIouThreshold: 1, cropLayers: 1 })).toEqual([]);
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}
