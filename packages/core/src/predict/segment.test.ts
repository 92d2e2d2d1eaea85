import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import type { RawImage } from "../image/image.ts";
import { decodeRle } from "../mask/rle.ts";
import type { Prompt } from "../prompt/prompt.ts";
import { Sam2 } from "../sam2.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { type Segment, segmentOn } from "./segment.ts";

const pictures: Readonly<Record<string, RawImage>> = { a: noiseImage(50, 40), b: noiseImage(50, 40, { seed: 2 }) };
const click: Prompt = { points: [[20, 20]] };

let backend: ObservedBackend;
let opened: string[];
let loads: string[];
/** What the next loads wait for. */
let gate: (signal: TestAbort["signal"]) => Promise<void>;
let segment: Segment<string, { readonly png: RawImage }, string>;
beforeEach(() => {
  backend = new ObservedBackend();
  opened = [];
  loads = [];
  gate = async () => {};
  segment = segmentOn({
    createBackend: async () => {
      backend = new ObservedBackend();
      return backend;
    },
    readImage: async (name) => {
      opened.push(name);
      return pictures[name] as RawImage;
    },
    encodePng: async (png) => ({ png }),
    find: async (name) => ({
      key: name,
      rough: name === "auto",
      load: async (options) => {
        loads.push(name);
        await gate(options.signal);
        if (name === "broken") throw new Error("broken");
        return Sam2.fromWeights(hashedWeights(toyConfig), { ...options, config: toyConfig });
      },
    }),
  });
});
afterEach(async () => {
  await segment.dispose();
  expect([backend.tensors, backend.executables]).toEqual([0, 0]);
});

const encoded = (): number => backend.steps.filter((step) => step === "run imageEncoder").length;

test("a mask, and what is made of it", async () => {
  const found = await segment("a", click);
  expect([found.mask.width, found.mask.height, found.mask.data.length]).toEqual([50, 40, 2000]);
  expect(found.mask).toBe(found.prediction.best);
  expect(found.predictedIou).toBe(found.prediction.bestIou);
  // Weights that came from no file have no hash.
  expect(found.model).toEqual({ name: "toy", source: expect.any(String), sha256: undefined });
  expect(decodeRle(found.rle())).toEqual(found.mask);
  expect(found.svg()).toMatch(/^<svg [\s\S]*<path /);
  const { png: white } = await found.png();
  const { png: cut } = await found.cutout({ crop: false });
  for (const [i, inside] of found.mask.data.entries()) {
    if (white.data[i * 3] !== (inside === 1 ? 255 : 0)) expect.fail(`mask, pixel ${i}`);
    if (cut.data[i * 4 + 3] !== (inside === 1 ? 255 : 0)) expect.fail(`cutout, pixel ${i}`);
  }
});

test("the model is loaded once, the image that is asked about again encoded once", async () => {
  const [first, second] = await Promise.all([segment("a", click), segment("a", { box: [5, 5, 30, 30] })]);
  await segment(pictures["a"] as RawImage, click);
  expect([loads, encoded()]).toEqual([["auto"], 1]);
  expect(first.prediction.masks).toHaveLength(3); // one click is ambiguous
  expect(second.prediction.masks).toHaveLength(1);
  expect((await segment("a", click, { multimaskOutput: false })).prediction.masks).toHaveLength(1);
  await segment("b", click);
  await segment("a", click);
  expect([loads, encoded()]).toEqual([["auto"], 3]);
});

test("pixels that the caller has changed are another image", async () => {
  const own = noiseImage(50, 40);
  const before = await segment(own, click);
  own.data.fill(200);
  const after = await segment(own, click);
  expect(encoded()).toBe(2);
  expect(after.prediction.bestLogits.data).not.toEqual(before.prediction.bestLogits.data);
});

test("only what nobody named is rough", async () => {
  expect((await segment("a", click)).rough).toBe(true);
  expect((await segment("a", click, { model: "mine" })).rough).toBe(false);
  expect(loads).toEqual(["auto", "mine"]);
});

test("a model and a backend of the caller's stay the caller's", async () => {
  const other = new ObservedBackend();
  const model = await Sam2.fromWeights(hashedWeights(toyConfig), { backend: other, config: toyConfig });
  const mine = new ObservedBackend();
  await segment("a", click, { model });
  await segment("a", click, { backend: mine });
  await segment.dispose();
  expect([other.tensors, other.executables > 0, mine.executables, backend.steps.length]).toEqual([0, true, 0, 0]);
  await model.dispose();
});

test("after dispose it loads anew", async () => {
  await segment("a", click);
  await segment.dispose();
  expect([backend.tensors, backend.executables]).toEqual([0, 0]);
  await segment("a", click);
  expect(loads).toEqual(["auto", "auto"]);
});

test("a model that does not load is tried again", async () => {
  await expect(segment("a", click, { model: "broken" })).rejects.toThrow("broken");
  await expect(segment("a", click, { model: "broken" })).rejects.toThrow("broken");
  expect(loads).toEqual(["broken", "broken"]);
});

describe("what is wrong is refused", () => {
  test("no prompt, a large image, pixels that are none", async () => {
    await expect(segment("a", {})).rejects.toMatchObject({ code: "empty" });
    await expect(segment("a", undefined as unknown as Prompt)).rejects.toMatchObject({ code: "bad-prompt" });
    const misspelt = { multiMaskOutput: true } as object;
    await expect(segment("a", click, misspelt)).rejects.toMatchObject({ code: "unknown-option" });
    const promised = Promise.resolve("a") as unknown as string;
    await expect(segment(promised, click)).rejects.toMatchObject({ code: "not-awaited" });
    const bad = { ...pictures["a"], data: new Uint8Array(3) } as RawImage;
    await expect(segment(bad, click)).rejects.toMatchObject({ code: "image-data-length" });
    const large = segment(pictures["a"] as RawImage, click, { maxPixels: 100 });
    await expect(large).rejects.toMatchObject({ code: "image-too-large" });
    expect((await segment("a", click)).mask.width).toBe(50); // the next call is none the worse
  });
});

describe("aborting", () => {
  test("while the model loads ends loading when nobody else waits", async () => {
    const ended: unknown[] = [];
    gate = (signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          ended.push(signal.reason);
          reject(signal.reason);
        }),
      );
    const abort = new TestAbort();
    const call = segment("a", click, { signal: abort.signal });
    setTimeout(() => abort.abort(), 5);
    await expect(call).rejects.toBe(abort.reason);
    expect(ended).toEqual([abort.reason]);
    gate = async () => {};
    await segment("a", click);
    expect(loads).toEqual(["auto", "auto"]);
  });

  test("by one of two callers leaves the other its model", async () => {
    let open = (): void => {};
    gate = () =>
      new Promise((resolve) => {
        open = resolve;
      });
    const abort = new TestAbort();
    const left = segment("a", click, { signal: abort.signal });
    const stays = segment("a", click);
    setTimeout(() => abort.abort(), 5);
    await expect(left).rejects.toBe(abort.reason);
    open();
    expect((await stays).mask.width).toBe(50);
    expect(loads).toEqual(["auto"]);
  });
});
