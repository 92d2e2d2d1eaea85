import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import type { RawImage } from "../image/image.ts";
import { labelComponents, removeSmallRegions } from "../mask/components.ts";
import { type Mask, maskArea } from "../mask/mask.ts";
import { upsampleLogits } from "../mask/postprocess.ts";
import { stabilityScore } from "../mask/score.ts";
import { type MaskLogits, maskPrompt, type Prompt } from "../prompt/prompt.ts";
import { Sam2 } from "../sam2.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { memoryWeights } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import type { ImagePrediction } from "./finish.ts";
import { ImagePredictor, type ImagePredictorOptions } from "./image-predictor.ts";

const picture = noiseImage(50, 40);
const click: Prompt = { points: [[20, 20]] };
const low = { width: 16, height: 16 };

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
afterEach(async () => {
  await settled();
  expect(backend.tensors).toBe(0);
});
afterAll(async () => {
  await model.dispose();
  expect(backend.executables).toBe(0);
});

async function predictorOf(
  image: RawImage,
  options: ImagePredictorOptions = {},
  sam2 = model,
): Promise<ImagePredictor> {
  const predictor = new ImagePredictor(sam2, options);
  await predictor.setImage(image);
  return predictor;
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe("a prediction", () => {
  test("has three masks, or one, at the image's size, and a score for each", async () => {
    await using predictor = await predictorOf(picture);
    for (const [multimaskOutput, count] of [
      [undefined, 3],
      [true, 3],
      [false, 1],
    ] as const) {
      const prediction = await predictor.predict(click, multimaskOutput === undefined ? {} : { multimaskOutput });
      for (const { width, height, data } of prediction.masks) {
        expect([width, height, data.length, Math.max(...data)]).toEqual([50, 40, 2000, 1]);
      }
      const { masks, iouPredictions, stabilityScores, meanLogitMagnitudes, lowResLogits } = prediction;
      for (const list of [masks, iouPredictions, stabilityScores, meanLogitMagnitudes, lowResLogits]) {
        expect(list).toHaveLength(count);
      }
      const best = iouPredictions.indexOf(Math.max(...iouPredictions));
      expect(prediction.best).toBe(masks[best]);
      expect(prediction.bestIou).toBe(iouPredictions[best]);
      expect(prediction.bestLogits).toBe(lowResLogits[best]);
      expect(Number.isFinite(prediction.objectScore)).toBe(true);
      expect("logits" in prediction).toBe(false);
    }
  });

  test("raw logits at the image's size, whose sign is the mask", async () => {
    await using predictor = await predictorOf(picture);
    const { logits = [], masks, lowResLogits } = await predictor.predict(click, { returnLogits: true });
    expect(logits).toHaveLength(3);
    for (const [i, values] of logits.entries()) {
      expect(values).toEqual(upsampleLogits(lowResLogits[i]?.data as Float32Array, low, picture));
      expect(Uint8Array.from(values, (value) => (value > 0 ? 1 : 0))).toEqual(masks[i]?.data);
    }
  });

  test("one mask is the best alternative where the single one is unsure", async () => {
    await using predictor = await predictorOf(picture);
    for (const points of [[[20, 20]], [[1, 39]], [[49, 3]]] as const) {
      const three = await predictor.predict({ points });
      const one = await predictor.predict({ points }, { multimaskOutput: false });
      expect(one.masks).toEqual([three.best]);
      expect(one.iouPredictions).toEqual([three.bestIou]);
    }
  });

  test("one mask is the single one where that is firm", async () => {
    const firm = await Sam2.fromWeights(
      await changedWeights((key, values) =>
        key.startsWith("sam_mask_decoder.output_hypernetworks_mlps.0.layers.2") ? values.map((x) => x * 1e4) : values,
      ),
      { backend, config: toyConfig },
    );
    const predictor = await predictorOf(picture, {}, firm);
    const three = await predictor.predict(click);
    const one = await predictor.predict(click, { multimaskOutput: false });
    predictor.dispose();
    await firm.dispose();
    for (const alternative of three.masks) expect(one.masks).not.toContainEqual(alternative);
    const [logits] = one.lowResLogits;
    expect(Math.max(...(logits as MaskLogits).data.map(Math.abs))).toBe(32); // clamped
    expect(one.meanLogitMagnitudes[0]).toBeGreaterThan(32); // not clamped
  });

  test("scores are of the raw logits, around the threshold", async () => {
    await using predictor = await predictorOf(picture, { maskThreshold: 0.25 });
    const { masks, lowResLogits, stabilityScores, meanLogitMagnitudes, logits } = await predictor.predict(click, {
      returnLogits: true,
    });
    for (const [i, { data }] of lowResLogits.entries()) {
      expect(stabilityScores[i]).toBe(stabilityScore(data, { delta: 1, threshold: 0.25 }));
      expect(meanLogitMagnitudes[i]).toBeCloseTo(data.reduce((sum, x) => sum + Math.abs(x), 0) / data.length, 6);
      expect(Uint8Array.from(logits?.[i] ?? [], (value) => (value > 0.25 ? 1 : 0))).toEqual(masks[i]?.data);
    }
  });

  test("two runs are the same to the bit, also on another load of the same weights", async () => {
    const other = await Sam2.fromWeights(hashedWeights(toyConfig), { backend, config: toyConfig });
    const answers: ImagePrediction[] = [];
    for (const sam2 of [model, model, other]) {
      await using predictor = await predictorOf(picture, {}, sam2);
      answers.push(await predictor.predict({ ...click, box: [1, 2, 30, 30] }, { returnLogits: true }));
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    await settled();
    await other.dispose();
  });
});

describe("small regions", () => {
  const sharp = { width: 16, height: 16 }; // no resizing between logits and mask

  test("holes and specks up to an area are gone from mask and logits, and are still there one below", async () => {
    const image = noiseImage(sharp.width, sharp.height, { seed: 3 });
    const prompts: Prompt[] = [{ points: [[3, 3]] }, { points: [[12, 9]] }, { box: [2, 2, 12, 12] }];
    await using plain = await predictorOf(image);
    let found = 0;
    for (const prompt of prompts) {
      const before = await plain.predict(prompt);
      for (const [i, mask] of before.masks.entries()) {
        const holes = areas(inverted(mask));
        const specks = areas(mask);
        for (const [option, sizes, of] of [
          ["maxHoleArea", holes, inverted],
          ["maxSpeckArea", specks, (same: Mask) => same],
        ] as const) {
          const smallest = sizes[0];
          if (smallest === undefined || sizes.length < 2) continue;
          found++;
          await using removing = await predictorOf(image, { [option]: smallest });
          const after = await removing.predict(prompt, { returnLogits: true });
          const left = after.masks[i] as Mask;
          expect(areas(of(left)).every((area) => area > smallest)).toBe(true);
          const logits = removeSmallRegions(before.lowResLogits[i]?.data as Float32Array, {
            ...sharp,
            [option]: smallest,
          });
          expect(after.logits?.[i]).toEqual(logits);
          expect(after.lowResLogits).toEqual(before.lowResLogits); // what refines is as the decoder made it
          if (smallest > 1) {
            await using keeping = await predictorOf(image, { [option]: smallest - 1 });
            expect((await keeping.predict(prompt)).masks[i]).toEqual(mask);
          }
        }
      }
    }
    expect(found).toBeGreaterThan(3);
  });
});

describe("many prompts", () => {
  const mask = maskPrompt(
    { width: 4, height: 4, data: Uint8Array.of(0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1) },
    64,
  );
  const prompts: readonly Prompt[] = [
    click,
    { box: [5, 5, 30, 25] },
    {
      points: [
        [1, 1],
        [40, 30],
      ],
      labels: [1, 0],
    },
    { maskInput: mask },
    { points: [[44, 8]], labels: [0] },
    { points: [[10, 10]], maskInput: mask },
    { box: [0, 0, 50, 40], points: [[7, 7]], labels: [0] },
    { points: [[33, 33]] },
    { maskInput: { ...mask, data: mask.data.map((x) => -x) } },
    {
      points: [
        [0, 0],
        [50, 40],
        [25, 20],
      ],
      labels: [1, 1, 0],
      maskInput: mask,
    },
  ];

  test.each([64, 2, 1])("give, in their order, what each gives alone (%i in a run)", async (promptsPerRun) => {
    await using predictor = await predictorOf(picture, { promptsPerRun });
    for (const multimaskOutput of [true, false]) {
      const together = await predictor.predictMany(prompts, { multimaskOutput, returnLogits: true });
      for (const [i, prompt] of prompts.entries()) {
        expect(together[i], `prompt ${i}`).toEqual(
          await predictor.predict(prompt, { multimaskOutput, returnLogits: true }),
        );
      }
    }
  });

  test.each([
    [64, 1],
    [4, 3],
    [3, 4],
    [1, 10],
  ])("ten clicks, %i in a run, are %i runs", async (promptsPerRun, runs) => {
    await using predictor = await predictorOf(picture, { promptsPerRun });
    backend.steps.length = 0;
    await predictor.predictMany(Array.from({ length: 10 }, (_, i): Prompt => ({ points: [[5 * i, 4 * i]] })));
    expect(backend.steps.filter((step) => step === "run maskDecoder")).toHaveLength(runs);
  });

  test("none at all are no run", async () => {
    await using predictor = await predictorOf(picture);
    backend.steps.length = 0;
    expect(await predictor.predictMany([])).toEqual([]);
    expect(backend.steps).toEqual([]);
  });

  test("a bad one is named and nothing runs", async () => {
    await using predictor = await predictorOf(picture);
    backend.steps.length = 0;
    await expect(predictor.predictMany([click, { points: [[51, 2]] }])).rejects.toMatchObject({
      name: "PromptError",
      code: "out-of-image",
      message: "predict: prompt 1: points[0] [51, 2] is outside the image, 0 to 50 and 0 to 40",
    });
    await expect(predictor.predictMany([click, {}])).rejects.toMatchObject({ code: "empty" });
    await expect(predictor.predictMany(click as never)).rejects.toMatchObject({
      name: "PromptError",
      code: "bad-prompt",
    });
    expect(backend.steps).toEqual([]);
    await predictor.predict(click);
  });

  test("a prompt is read when it is given", async () => {
    await using predictor = await predictorOf(picture);
    const points: [number, number][] = [[20, 20]];
    const first = predictor.predict({ points });
    points.push([1, 1]);
    const second = predictor.predict({ points });
    expect(await first).toEqual(await predictor.predict(click));
    expect(await second).toEqual(
      await predictor.predict({
        points: [
          [20, 20],
          [1, 1],
        ],
      }),
    );
  });
});

describe("images", () => {
  test("RGBA is RGB with its alpha dropped", async () => {
    const rgba = noiseImage(31, 17, { channels: 4, seed: 5 });
    const rgb: RawImage = { ...rgba, channels: 3, data: rgba.data.filter((_, i) => i % 4 !== 3) };
    const clamped: RawImage = { ...rgb, data: new Uint8ClampedArray(rgb.data) };
    await using a = await predictorOf(rgba);
    await using b = await predictorOf(rgb);
    await using c = await predictorOf(clamped);
    const prompt: Prompt = { points: [[20, 10]] };
    expect(await a.predict(prompt)).toEqual(await b.predict(prompt));
    expect(await c.predict(prompt)).toEqual(await b.predict(prompt));
  });

  test.each([
    [1, 1],
    [1, 5000],
    [5000, 1],
    [3, 7],
  ])("%i x %i", async (width, height) => {
    await using predictor = await predictorOf(noiseImage(width, height));
    const { masks } = await predictor.predict({ points: [[width / 2, height / 2]] }, { returnLogits: true });
    expect(masks.map(({ data }) => data.length)).toEqual(Array(3).fill(width * height));
    expect(predictor.imageSizes).toEqual([{ width, height }]);
  });

  test.each<[string, unknown, string, ImagePredictorOptions?]>([
    ["no width", { ...picture, width: 0, data: new Uint8Array(0) }, "image-size"],
    ["no height", { ...picture, height: 0, data: new Uint8Array(0) }, "image-size"],
    ["a negative width", { ...picture, width: -50 }, "image-size"],
    ["half a pixel", { ...picture, width: 12.5, height: 160 }, "image-size"],
    ["two channels", { ...picture, channels: 2 }, "image-channels"],
    ["a byte too few", { ...picture, data: picture.data.subarray(1) }, "image-data-length"],
    ["a byte too many", { ...picture, data: new Uint8Array(6001) }, "image-data-length"],
    ["no bytes", { ...picture, data: Array.from(picture.data) }, "image-data"],
    ["undefined", undefined, "image-data"],
    ["30000 x 30000", { width: 30000, height: 30000, channels: 3, data: new Uint8Array(0) }, "image-too-large"],
    ["more than maxPixels", picture, "image-too-large", { maxPixels: 1999 }],
  ])("%s is an ImageError, and the image before stays", async (_, image, code, options = {}) => {
    const before = noiseImage(10, 10, { seed: 9 });
    await using predictor = await predictorOf(before, options);
    const answer = await predictor.predict({ points: [[5, 5]] });
    await expect(predictor.setImage(image as RawImage)).rejects.toMatchObject({ name: "ImageError", code });
    await expect(predictor.setImages([before, image as RawImage])).rejects.toMatchObject({ name: "ImageError", code });
    expect(predictor.imageSizes).toEqual([{ width: 10, height: 10 }]);
    expect(await predictor.predict({ points: [[5, 5]] })).toEqual(answer);
    expect(backend.tensors).toBe(3);
  });

  test("exactly maxPixels is accepted", async () => {
    await using predictor = await predictorOf(picture, { maxPixels: 2000 });
    expect(predictor.imageSizes).toHaveLength(1);
  });

  test("several, chosen by index", async () => {
    const others = [noiseImage(20, 30, { seed: 7 }), picture];
    await using several = new ImagePredictor(model);
    await several.setImages(others);
    expect(several.imageSizes).toEqual([
      { width: 20, height: 30 },
      { width: 50, height: 40 },
    ]);
    for (const [image, other] of others.entries()) {
      await using alone = await predictorOf(other);
      const prompt: Prompt = { points: [[10, 10]] };
      expect(await several.predict(prompt, { image })).toEqual(await alone.predict(prompt));
      expect(await several.imageEmbedding(image)).toEqual(await alone.imageEmbedding());
    }
    for (const image of [2, -1, 0.5, Number.NaN]) {
      await expect(several.predict(click, { image })).rejects.toMatchObject({
        name: "PromptError",
        code: "no-such-image",
        message: `predict: image is ${image}, but 2 are set`,
      });
    }
    // checked against the image that is meant
    await expect(several.predict({ points: [[30, 10]] })).rejects.toMatchObject({ code: "out-of-image" });
    await several.predict({ points: [[30, 10]] }, { image: 1 });
  });

  test("the embedding is the stride-16 map, and a copy", async () => {
    await using predictor = await predictorOf(picture);
    const { dims, data } = await predictor.imageEmbedding();
    expect(dims).toEqual([1, 16, 32]);
    (data as Float32Array).fill(0);
    expect((await predictor.imageEmbedding()).data).not.toEqual(data);
  });
});

describe("options", () => {
  test.each<[ImagePredictorOptions, string]>([
    [{ promptsPerRun: 0 }, "ImagePredictor: promptsPerRun must be an integer from 1, got 0"],
    [{ promptsPerRun: -1 }, "ImagePredictor: promptsPerRun must be an integer from 1, got -1"],
    [{ promptsPerRun: 1.5 }, "ImagePredictor: promptsPerRun must be an integer from 1, got 1.5"],
    [{ promptsPerRun: Number.NaN }, "ImagePredictor: promptsPerRun must be an integer from 1, got NaN"],
    [{ promptsPerRun: "64" as never }, "ImagePredictor: promptsPerRun must be an integer from 1, got 64"],
    [{ maskThreshold: Number.NaN }, "ImagePredictor: maskThreshold must be a finite number, got NaN"],
    [{ maxHoleArea: -1 }, "ImagePredictor: maxHoleArea must be a number from 0, got -1"],
    [{ maxSpeckArea: Number.NaN }, "ImagePredictor: maxSpeckArea must be a number from 0, got NaN"],
    [{ maxPixels: 0 }, "ImagePredictor: maxPixels must be a number from 1, got 0"],
  ])("%j", (options, message) => {
    expect(() => new ImagePredictor(model, options)).toThrow(
      expect.objectContaining({
        name: "PromptError",
        code: "bad-option",
        message,
        details: expect.objectContaining({ option: Object.keys(options)[0] }),
      }),
    );
  });

  test("undefined means the default", async () => {
    const undefinedOptions = { promptsPerRun: undefined, maskThreshold: undefined, maxPixels: undefined };
    await using predictor = await predictorOf(picture, undefinedOptions as never);
    await using plain = await predictorOf(picture);
    expect(await predictor.predict(click)).toEqual(await plain.predict(click));
  });

  test.each([
    [{ iterations: -1 }, "refine: iterations must be an integer from 0, got -1"],
    [{ iterations: 1.5 }, "refine: iterations must be an integer from 0, got 1.5"],
    [{ until: Number.NaN }, "refine: until must be an IoU, 0 to 1, got NaN"],
    [{ until: 1.1 }, "refine: until must be an IoU, 0 to 1, got 1.1"],
  ])("refine %j", async (options, message) => {
    await using predictor = await predictorOf(picture);
    await expect(predictor.refine(click, options)).rejects.toMatchObject({
      name: "PromptError",
      code: "bad-option",
      message,
    });
  });
});

describe("too early, too late", () => {
  test("before setImage", async () => {
    await using predictor = new ImagePredictor(model);
    await expect(predictor.predict(click)).rejects.toMatchObject({
      name: "StateError",
      code: "no-image",
      message: "predict: call setImage first",
    });
    await expect(predictor.refine(click)).rejects.toMatchObject({ code: "no-image" });
    await expect(predictor.imageEmbedding()).rejects.toMatchObject({ message: "imageEmbedding: call setImage first" });
    expect(predictor.imageSizes).toEqual([]);
  });

  test("after dispose, which may be called again", async () => {
    const predictor = await predictorOf(picture);
    await predictor.dispose();
    await predictor.dispose();
    for (const [call, name] of [
      [() => predictor.setImage(picture), "setImage"],
      [() => predictor.predict(click), "predict"],
      [() => predictor.refine(click), "refine"],
      [() => predictor.imageEmbedding(), "imageEmbedding"],
      [() => predictor.reset(), "reset"],
    ] as const) {
      await expect(call()).rejects.toMatchObject({
        name: "StateError",
        code: "disposed",
        message: `${name}: the predictor is disposed`,
      });
    }
    expect(backend.tensors).toBe(0);
  });

  test("using frees the image", async () => {
    {
      await using predictor = await predictorOf(picture);
      await predictor.predict(click);
      expect(backend.tensors).toBe(3);
    }
    expect(backend.tensors).toBe(0);
  });

  test("dispose lets the call under way end, and rejects those behind it", async () => {
    const predictor = await predictorOf(picture);
    const expected = await predictor.predict(click);
    const gate = gated("run maskDecoder");
    const running = predictor.predict(click);
    const queued = predictor.predict(click);
    await gate.reached;
    predictor.dispose();
    expect(backend.tensors).toBe(3);
    gate.open();
    expect(await running).toEqual(expected);
    await expect(queued).rejects.toMatchObject({ code: "disposed" });
    await settled();
    expect(backend.tensors).toBe(0);
  });

  test("dispose while an image is encoded frees that one too", async () => {
    const predictor = new ImagePredictor(model);
    const gate = gated("run imageEncoder");
    const running = predictor.setImage(picture);
    await gate.reached;
    predictor.dispose();
    gate.open();
    await running;
    await settled();
    expect(backend.tensors).toBe(0);
  });

  test("reset forgets the images after the calls before it", async () => {
    await using predictor = await predictorOf(picture);
    const before = predictor.predict(click);
    const reset = predictor.reset();
    const after = predictor.predict(click);
    await before;
    await reset;
    await expect(after).rejects.toMatchObject({ code: "no-image" });
    expect(backend.tensors).toBe(0);
    await predictor.setImage(picture);
    await predictor.predict(click);
  });

  test("a disposed model", async () => {
    const short = await Sam2.fromWeights(hashedWeights(toyConfig), { backend, config: toyConfig });
    const predictor = await predictorOf(picture, {}, short);
    await short.dispose();
    await expect(predictor.predict(click)).rejects.toMatchObject({ name: "StateError", code: "disposed" });
    await expect(predictor.setImage(picture)).rejects.toMatchObject({ name: "StateError", code: "disposed" });
    predictor.dispose();
    await settled();
    expect(backend.tensors).toBe(0);
  });
});

describe("calls that overlap", () => {
  const prompts: readonly Prompt[] = Array.from({ length: 6 }, (_, i) => ({ points: [[8 * i, 39 - 6 * i]] }));

  test("give what they give one after another", async () => {
    await using predictor = await predictorOf(picture);
    const alone: ImagePrediction[] = [];
    for (const prompt of prompts) alone.push(await predictor.predict(prompt));
    expect(await Promise.all(prompts.map((prompt) => predictor.predict(prompt)))).toEqual(alone);
  });

  test("each sees the image that was set before it", async () => {
    const images = [1, 2, 3].map((seed) => noiseImage(10 * seed, 15, { seed }));
    await using predictor = new ImagePredictor(model);
    const calls = images.flatMap((image) => {
      const set = predictor.setImage(image);
      return [
        set.then(() => undefined),
        predictor.predict({ points: [[5, 5]] }),
        predictor.refine({ points: [[5, 5]] }),
      ];
    });
    const answers = await Promise.all(calls);
    for (const [i, image] of images.entries()) {
      await using alone = await predictorOf(image);
      expect(answers[3 * i + 1]).toEqual(await alone.predict({ points: [[5, 5]] }));
      expect(answers[3 * i + 2]).toEqual(await alone.refine({ points: [[5, 5]] }));
    }
    await settled();
    expect(backend.tensors).toBe(3);
  });

  test("one that fails does not stop the next", async () => {
    await using predictor = await predictorOf(picture);
    const calls = [predictor.predict(click), predictor.predict({ points: [[99, 0]] }), predictor.predict(click)];
    expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
  });

  test("two predictors on one model do not mix", async () => {
    await using a = await predictorOf(picture);
    await using b = await predictorOf(noiseImage(50, 40, { seed: 2 }));
    const [fromA, fromB] = [await a.predict(click), await b.predict(click)];
    expect(await Promise.all([a.predict(click), b.predict(click)])).toEqual([fromA, fromB]);
    expect(fromA).not.toEqual(fromB);
  });
});

describe("latest", () => {
  const superseded = { name: "StateError", code: "superseded" };

  test("drops what waits and what runs, and answers the newest", async () => {
    await using predictor = await predictorOf(picture);
    const expected = await predictor.predict({ points: [[30, 30]] });
    const gate = gated("run maskDecoder");
    const running = predictor.predict(click, { latest: true });
    const queued = predictor.predict({ points: [[1, 1]] }, { latest: true });
    await gate.reached;
    const newest = predictor.predict({ points: [[30, 30]] }, { latest: true });
    backend.steps.length = 0;
    gate.open();
    await expect(running).rejects.toMatchObject(superseded);
    await expect(queued).rejects.toMatchObject(superseded);
    expect(await newest).toEqual(expected);
    expect(backend.steps.filter((step) => step === "run maskDecoder")).toHaveLength(1); // the queued one never ran
    expect(backend.tensors).toBe(3);
  });

  test("leaves calls without it alone, and the order as it is", async () => {
    await using predictor = await predictorOf(picture);
    const log: string[] = [];
    const note = (name: string, call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => log.push(name),
        () => log.push(`${name} dropped`),
      );
    await Promise.all([
      note("plain 1", predictor.predict(click)),
      note("latest 1", predictor.predict(click, { latest: true })),
      note("plain 2", predictor.predict(click)),
      note("latest 2", predictor.predict(click, { latest: true })),
      note("plain 3", predictor.predict(click)),
    ]);
    expect(log).toEqual(["plain 1", "latest 1 dropped", "plain 2", "latest 2", "plain 3"]);
  });

  test("between the runs of many prompts", async () => {
    await using predictor = await predictorOf(picture, { promptsPerRun: 1 });
    const gate = gated("run maskDecoder");
    const many = predictor.predictMany([click, click, click], { latest: true });
    await gate.reached;
    backend.steps.length = 0;
    const newest = predictor.predict(click, { latest: true });
    gate.open();
    await expect(many).rejects.toMatchObject(superseded);
    await newest;
    expect(backend.steps.filter((step) => step === "run maskDecoder")).toHaveLength(1);
  });

  test("a refinement is one call: a newer click ends it, and is not dropped by its next step", async () => {
    await using predictor = await predictorOf(picture);
    let newest: Promise<ImagePrediction> | undefined;
    const refined = predictor.refine(click, {
      latest: true,
      until: 1,
      onStep: (_, i) => {
        if (i === 1) newest = predictor.predict({ points: [[30, 30]] }, { latest: true });
      },
    });
    await expect(refined).rejects.toMatchObject(superseded);
    expect(await newest).toEqual(await predictor.predict({ points: [[30, 30]] }));
  });
});

describe("refine", () => {
  test("feeds the best mask back, with the same prompt", async () => {
    await using predictor = await predictorOf(picture);
    const steps: ImagePrediction[] = [];
    const last = await predictor.refine(click, { iterations: 2, until: 1, onStep: (step) => steps.push(step) });
    const first = await predictor.predict(click);
    const second = await again(predictor, first);
    const third = await again(predictor, second);
    expect(steps).toEqual([first, second, third]);
    expect(last).toEqual(third);
  });

  test("ends when the mask no longer changes", async () => {
    await using predictor = await predictorOf(picture);
    const seen: number[] = [];
    await predictor.refine(click, { iterations: 50, until: 1, onStep: (_, i) => seen.push(i) });
    expect(seen).toEqual(seen.map((_, i) => i));
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.length).toBeLessThan(51); // these masks settle
    const fewer: number[] = [];
    await predictor.refine(click, { iterations: 50, until: 0.5, onStep: (_, i) => fewer.push(i) });
    expect(fewer).toEqual([0, 1]);
  });

  test("no iterations are one prediction", async () => {
    await using predictor = await predictorOf(picture);
    expect(await predictor.refine(click, { iterations: 0 })).toEqual(await predictor.predict(click));
  });

  test("multimaskOutput is about the first run, the other options about all", async () => {
    await using predictor = new ImagePredictor(model);
    await predictor.setImages([noiseImage(9, 9), picture]);
    const steps: ImagePrediction[] = [];
    const options = {
      until: 1,
      iterations: 1,
      image: 1,
      returnLogits: true,
      onStep: (step: ImagePrediction) => steps.push(step),
    };
    await predictor.refine(click, { ...options, multimaskOutput: true });
    await predictor.refine(click, { ...options, multimaskOutput: false });
    expect(steps.map(({ masks, logits }) => [masks.length, logits?.length])).toEqual([
      [3, 3],
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  test("an onStep that throws ends it, and nothing is lost", async () => {
    await using predictor = await predictorOf(picture);
    const stop = new Error("enough");
    let steps = 0;
    const refined = predictor.refine(click, {
      until: 1,
      onStep: () => {
        steps++;
        if (steps === 2) throw stop;
      },
    });
    await expect(refined).rejects.toBe(stop);
    expect(steps).toBe(2);
    expect(backend.tensors).toBe(3);
    await predictor.predict(click);
  });

  test("another image set meanwhile waits for its end", async () => {
    await using predictor = await predictorOf(picture);
    const expected = await predictor.refine(click, { until: 1 });
    const refined = predictor.refine(click, { until: 1 });
    const set = predictor.setImage(noiseImage(5, 5));
    expect(await refined).toEqual(expected);
    await set;
  });

  async function again(predictor: ImagePredictor, { bestLogits }: ImagePrediction): Promise<ImagePrediction> {
    return predictor.predict({ ...click, maskInput: bestLogits }, { multimaskOutput: false });
  }
});

/** Holds the next `step` until it is opened. */
function gated(step: string): { readonly reached: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    backend.intervene = async (current) => {
      if (current !== step) return;
      resolve();
      await opened;
    };
  });
  return { reached, open };
}

async function changedWeights(change: (key: string, values: Float32Array) => Float32Array) {
  const hashed = hashedWeights(toyConfig);
  const tensors: Record<string, HostTensor> = {};
  for (const key of hashed.entries.keys()) {
    const tensor = await hashed.read(key);
    tensors[key] = { ...tensor, data: change(key, tensor.data) };
  }
  return memoryWeights(tensors);
}

/** Areas of a mask's components, smallest first. */
function areas(mask: Mask): readonly number[] {
  const [, ...sizes] = labelComponents(mask).areas;
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(maskArea(mask));
  return sizes.sort((a, b) => a - b);
}

function inverted(mask: Mask): Mask {
  return { ...mask, data: mask.data.map((x) => 1 - x) };
}

describe("what was meant otherwise is said", () => {
  test("misspelt options and fields of prompts", async () => {
    await using predictor = await predictorOf(picture);
    const options: object = { multiMaskOutput: false };
    const prompt: object = { points: [[20, 20]], pointLabels: [1] };
    const misspelt = (message: string) => expect.objectContaining({ code: "unknown-option", message });
    const meant = "predict: there is no option multiMaskOutput; did you mean multimaskOutput?";
    await expect(predictor.predict(click, options)).rejects.toThrow(misspelt(meant));
    await expect(predictor.predictMany([click], options)).rejects.toThrow(misspelt(meant));
    await expect(predictor.refine(click, { iteration: 1 } as object)).rejects.toMatchObject({ code: "unknown-option" });
    await expect(predictor.predict(prompt)).rejects.toThrow(
      misspelt("predict: there is no option pointLabels; did you mean labels?"),
    );
    await expect(predictor.setImage(picture, { sginal: 1 } as object)).rejects.toMatchObject({
      code: "unknown-option",
    });
    expect(() => new ImagePredictor(model, { masksThreshold: 1 } as object)).toThrow(/did you mean maskThreshold/);
    expect((await predictor.predict(click)).masks).toHaveLength(3);
  });

  test("images, models, backends and prompts that were not awaited", async () => {
    const promised = <T>(value: T): T => Promise.resolve(value) as unknown as T;
    const said = (what: string) => expect.objectContaining({ code: "not-awaited", details: { what } });
    await using predictor = new ImagePredictor(model);
    await expect(predictor.setImage(promised(picture))).rejects.toThrow(said("the image"));
    await predictor.setImage(picture);
    await expect(predictor.predict(promised(click))).rejects.toThrow(said("the prompt"));
    expect(() => new ImagePredictor(promised(model))).toThrow(said("the model"));
    const weights = hashedWeights(toyConfig);
    await expect(Sam2.fromWeights(weights, { backend: promised(backend), config: toyConfig })).rejects.toThrow(
      said("the backend"),
    );
    expect(() => maskPrompt(promised({ ...low, data: new Uint8Array(256) }), 64)).toThrow(said("the mask"));
  });

  test("a mask that shows nothing", async () => {
    await using predictor = await predictorOf(picture);
    const empty = expect.objectContaining({ name: "PromptError", code: "empty-mask" });
    expect(() => maskPrompt({ ...low, data: new Uint8Array(256) }, 64)).toThrow(empty);
    for (const level of [0, -10]) {
      const maskInput = { ...low, data: new Float32Array(256).fill(level) };
      await expect(predictor.predict({ maskInput })).rejects.toThrow(empty);
      await expect(predictor.predict({ ...click, maskInput })).rejects.toThrow(empty);
    }
    const faint = { ...low, data: new Float32Array(256).fill(-10) };
    faint.data[30] = -4;
    expect((await predictor.predict({ maskInput: faint })).masks).toHaveLength(3);
  });
});
