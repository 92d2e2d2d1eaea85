import { afterEach, beforeEach, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import type { RawImage } from "../image/image.ts";
import { ImagePredictor } from "../predict/image-predictor.ts";
import { segmentOn } from "../predict/segment.ts";
import { Sam2 } from "../sam2.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { removeBackgroundOn } from "./one-call.ts";
import { BackgroundRemover } from "./remove-background.ts";
import type { FoundSubject, SubjectFinder } from "./subject.ts";

const noise = noiseImage(50, 40);

/** A finder of the rectangle from (10, 10) to (30, 30), its left half with this share. */
function finder(share = 1, more: Partial<FoundSubject> = {}): SubjectFinder {
  return {
    find: async ({ width, height }) => {
      const data = new Float32Array(width * height);
      for (let y = 10; y < 30; y++) {
        data.fill(share, y * width + 10, y * width + 20);
        data.fill(1, y * width + 20, y * width + 30);
      }
      return { width, height, data, ...more };
    },
  };
}

const never = (): Promise<Sam2> => Promise.reject(new Error("the model was asked for"));

let backend: ObservedBackend;
let model: Sam2;
beforeEach(async () => {
  backend = new ObservedBackend();
  model = await Sam2.fromWeights(hashedWeights(toyConfig), { backend, config: toyConfig });
});
afterEach(async () => {
  await model.dispose();
  expect([backend.tensors, backend.executables]).toEqual([0, 0]);
});

test("a soft mask becomes alpha, with the colours beside it, and needs no model", async () => {
  const remover = new BackgroundRemover(never, { finder: finder(0.75), sharpen: false });
  const { cutout, mask, method, sure, unsure } = await remover.remove(noise);
  expect([method, sure, unsure]).toEqual(["soft-mask", false, ["faint"]]);
  expect(mask.data.reduce((sum, value) => sum + value, 0)).toBe(400);
  const at = (x: number, y: number): readonly number[] => [
    ...cutout.data.subarray(4 * (y * 50 + x), 4 * (y * 50 + x) + 4),
  ];
  const source = (x: number, y: number): readonly number[] => [
    ...noise.data.subarray(3 * (y * 50 + x), 3 * (y * 50 + x) + 3),
  ];
  expect(at(25, 15)).toEqual([...source(25, 15), 255]);
  expect(at(5, 5)).toEqual([0, 0, 0, 0]);
  expect(at(12, 15)).toEqual([...source(12, 15), 191]); // nothing opaque is near
  const [red] = at(19, 15);
  expect(at(19, 15)[3]).toBe(191);
  expect(red).not.toBe(source(19, 15)[0]);
  const plain = new BackgroundRemover(never, { finder: finder(0.75), sharpen: false, decontaminate: false });
  const { data } = (await plain.remove(noise)).cutout;
  expect([...data.subarray(4 * (15 * 50 + 19), 4 * (15 * 50 + 19) + 4)]).toEqual([...source(19, 15), 191]);
});

test("where SAM 2 sees another object the finder's mask is kept, and doubted", async () => {
  // The hashed weights' mask has nothing to do with the rectangle.
  const { method, mask, unsure } = await new BackgroundRemover(model, { finder: finder() }).remove(noise);
  expect([method, unsure]).toEqual(["soft-mask", ["sharpened-unlike"]]);
  expect(mask.data.reduce((sum, value) => sum + value, 0)).toBe(400);
});

test("SAM 2's outline is taken where it is of the same thing", async () => {
  await using predictor = new ImagePredictor(model);
  await predictor.setImage(noise);
  const { best } = await predictor.predict({ points: [[20, 20]] }, { multimaskOutput: false });
  // What the model is prone to draw anyway.
  const same: SubjectFinder = {
    find: async () => ({ width: 50, height: 40, data: Float32Array.from(best.data) }),
  };
  const { method, predictedIou, cutout, mask } = await new BackgroundRemover(model, {
    finder: same,
    feather: 0,
  }).remove(noise);
  expect(method).toBe("outline");
  expect(predictedIou).toEqual(expect.any(Number));
  for (let i = 0; i < mask.data.length; i++) {
    if (cutout.data[4 * i + 3] !== 255 * (mask.data[i] as number)) expect.fail(`pixel ${i}`);
  }
});

test("no subject is an empty cutout that says so, and cannot be cropped to", async () => {
  const none: SubjectFinder = { find: async () => ({ width: 50, height: 40, data: new Float32Array(2000) }) };
  const { cutout, unsure } = await new BackgroundRemover(never, { finder: none }).remove(noise);
  expect(unsure).toEqual(["no-subject"]);
  expect(cutout.data.every((value) => value === 0)).toBe(true);
  await expect(new BackgroundRemover(never, { finder: none, crop: true }).remove(noise)).rejects.toMatchObject({
    code: "empty-mask",
  });
});

test("the finder's doubts are passed on, and cropping is to what is seen", async () => {
  const options = { finder: finder(1, { unsure: ["weak"] }), sharpen: false, crop: true, padding: 2 } as const;
  const { cutout, unsure } = await new BackgroundRemover(never, options).remove(noise);
  expect(unsure).toEqual(["weak"]);
  expect([cutout.x, cutout.y, cutout.width, cutout.height]).toEqual([8, 8, 24, 24]);
});

test("what is wrong is refused", async () => {
  expect(() => new BackgroundRemover(never, { feather: -1 })).toThrow("removeBackground: feather must be 0 to 4096");
  expect(() => new BackgroundRemover(never, { fether: 1 } as object)).toThrow("did you mean feather?");
  expect(() => new BackgroundRemover(Promise.resolve(model) as never)).toThrow("is a Promise");
  const small: SubjectFinder = { find: async () => ({ width: 5, height: 4, data: new Float32Array(20) }) };
  await expect(new BackgroundRemover(never, { finder: small }).remove(noise)).rejects.toMatchObject({
    code: "mask-size-mismatch",
  });
  const short: SubjectFinder = { find: async () => ({ width: 50, height: 40, data: new Float32Array(20) }) };
  await expect(new BackgroundRemover(never, { finder: short }).remove(noise)).rejects.toMatchObject({
    code: "mask-data-length",
  });
  await expect(new BackgroundRemover(never, { maxPixels: 100 }).remove(noise)).rejects.toMatchObject({
    code: "image-too-large",
  });
  const stopped = AbortSignal.abort(new Error("enough"));
  await expect(new BackgroundRemover(never).remove(noise, { signal: stopped })).rejects.toThrow("enough");
});

test("in one call: sources are opened, models are loaded when they are needed, and shared with segment", async () => {
  const loads: string[] = [];
  const flat: RawImage = { width: 20, height: 20, channels: 3, data: new Uint8Array(1200) };
  flat.data.fill(200, 600, 630);
  const segment = segmentOn<string, RawImage, string>({
    createBackend: async () => backend,
    readImage: async (name) => (name === "flat" ? flat : noise),
    encodePng: async (image) => image,
    find: async (name) => ({
      key: name,
      rough: name === "auto",
      load: async (options) => {
        loads.push(name);
        return Sam2.fromWeights(hashedWeights(toyConfig), { ...options, config: toyConfig });
      },
    }),
  });
  const removeBackground = removeBackgroundOn<string, RawImage, string>({
    segment,
    readImage: async (name) => (name === "flat" ? flat : noise),
    encodePng: async (image) => image,
  });
  const logo = await removeBackground("flat");
  expect([logo.method, logo.sure, logo.model, logo.rough, loads]).toEqual([
    "flat-background",
    true,
    undefined,
    false,
    [],
  ]);
  expect(await logo.png()).toBe(logo.cutout);
  expect((await logo.maskPng()).data[600]).toBe(255);
  await removeBackground("noise", { finder: finder(), sharpen: false });
  expect(loads).toEqual([]);
  const { rough, model } = await removeBackground("noise", { finder: finder() });
  expect([rough, model?.name]).toEqual([true, "toy"]);
  await segment("noise", { points: [[20, 20]] });
  expect(loads).toEqual(["auto"]);
  await removeBackground(noise, { finder: finder(), model: "mine" });
  expect(loads).toEqual(["auto", "mine"]);
  await expect(removeBackground("flat", { modell: "mine" } as object)).rejects.toMatchObject({
    code: "unknown-option",
  });
  await segment.dispose();
});
