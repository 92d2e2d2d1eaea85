import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig } from "../../test/toy-sam2.ts";
import { preprocessImage } from "../image/preprocess.ts";
import { type EncodedPrompt, encodePrompt, type Prompt } from "../prompt/prompt.ts";
import { Sam2 } from "../sam2.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { type Candidates, decodeMany, decodeObjects, type Features } from "./decode.ts";

const image = { width: 32, height: 32 };
const encode = (prompt: Prompt): EncodedPrompt =>
  encodePrompt(prompt, { image, imageSize: toyConfig.imageSize, where: "test" });
const grid = (side: number): readonly EncodedPrompt[] =>
  Array.from({ length: side * side }, (_, i) => encode({ points: [[i % side, Math.floor(i / side)]] }));

async function encoded(backend: ObservedBackend): Promise<{ model: Sam2; features: Features }> {
  const model = await Sam2.fromWeights(hashedWeights(toyConfig), { backend, config: toyConfig });
  const encoder = await model.executable("imageEncoder");
  const pixels = preprocessImage(noiseImage(32, 32), toyConfig.imageSize);
  return { model, features: (await encoder.run({ image: pixels })) as Features };
}

const backend = new ObservedBackend();
let model: Sam2;
let features: Features;
beforeAll(async () => {
  ({ model, features } = await encoded(backend));
});
afterAll(() => model.dispose());
beforeEach(() => {
  backend.intervene = async () => {};
  backend.steps.length = 0;
});
const runs = (of: ObservedBackend): number => of.steps.filter((step) => step === "run maskDecoder").length;

test("1,024 prompts stream: a run begins when it is asked for, and after its outputs none is alive", async () => {
  const blank = new ObservedBackend({ compute: false });
  const { model, features } = await encoded(blank);
  const held: number[] = [];
  blank.intervene = async (step) => {
    if (step === "run maskDecoder") held.push(blank.tensors);
  };
  let [batches, prompts] = [0, 0];
  for await (const { candidates } of decodeMany(model, features, grid(32), { promptsPerRun: 64 })) {
    expect([blank.tensors, runs(blank)]).toEqual([3, ++batches]);
    prompts += candidates.length;
    expect(new Set(candidates.map(({ logits }) => logits.buffer)).size).toBe(1); // views of one read
  }
  expect([batches, prompts, ...new Set(held)]).toEqual([16, 1024, 3]);
  await model.dispose();
});

test("prompts with equally many points share runs, and each gets its own answer", async () => {
  const prompts: readonly Prompt[] = [
    { points: [[3, 4]] },
    { box: [1, 2, 20, 21] },
    { points: [[9, 9]], labels: [1] },
    { points: [[30, 2]] },
    { points: [[3, 4]], maskInput: { width: 16, height: 16, data: new Float32Array(256).fill(3) } },
  ];
  const order: (readonly number[])[] = [];
  for await (const run of decodeMany(model, features, prompts.map(encode), { promptsPerRun: 2 })) {
    order.push(run.prompts);
    for (const [i, prompt] of run.prompts.entries()) {
      for await (const alone of decodeMany(model, features, [encode(prompts[prompt] as Prompt)], {
        promptsPerRun: 1,
      })) {
        expect(run.candidates[i]).toEqual(alone.candidates[0]);
      }
    }
  }
  expect(order).toEqual([[0, 2], [3, 4], [1]]);
});

test("masks that are not wanted are not made, nor handed over where few are, and the others are the same", async () => {
  const whole: Candidates[] = [];
  for await (const { candidates } of decodeMany(model, features, grid(7), { promptsPerRun: 7 }))
    whole.push(...candidates);
  const good = [15, 23, 24, 29];
  const best = good.map((i) => Math.max(...(whole[i] as Candidates).iou));
  // the halves' scores are the whole's up to rounding
  const isWanted = (iou: Float32Array): boolean => best.some((one) => Math.abs(one - Math.max(...iou)) < 1e-6);
  backend.steps.length = 0;
  const wanted: number[] = [];
  const steps: string[] = [];
  for await (const { prompts, candidates, asked } of decodeMany(model, features, grid(7), {
    promptsPerRun: 7,
    isWanted,
  })) {
    expect(asked).toBe(7);
    for (const [i, prompt] of prompts.entries()) {
      const { logits, iou } = whole[prompt] as Candidates;
      for (const [j, one] of iou.entries()) expect(candidates[i]?.iou[j]).toBeCloseTo(one, 5);
      for (const [j, one] of logits.entries()) expect(candidates[i]?.logits[j]).toBeCloseTo(one, 4);
    }
    wanted.push(...prompts);
    const ran = backend.steps.splice(0).filter((step) => step.startsWith("run "));
    steps.push(ran.map((step) => step.slice("run mask".length)).join(" "));
  }
  expect(wanted).toEqual(good);
  expect(steps).toEqual([
    "Scorer", // handed over, and none wanted
    "Scorer",
    "Scorer Scorer Upscaler", // 1 of 7
    "Scorer Scorer Upscaler", // 2 of 7
    "Scorer Upscaler",
    "Scorer",
    "Scorer",
  ]);
});

test("prompts with masks of their own are decoded whole, and what is not wanted of them is left out", async () => {
  const maskInput = { width: 16, height: 16, data: new Float32Array(256).fill(3) };
  const prompts = [0, 1, 2].map((i) => encode({ points: [[9 * i, 9]], maskInput }));
  const whole: Candidates[] = [];
  for await (const { candidates } of decodeMany(model, features, prompts, { promptsPerRun: 3 }))
    whole.push(...candidates);
  backend.steps.length = 0;
  const isWanted = (iou: Float32Array): boolean => iou[0] === whole[1]?.iou[0];
  const wanted = decodeMany(model, features, prompts, { promptsPerRun: 3, isWanted });
  expect((await wanted.next()).value).toEqual({ prompts: [1], candidates: [whole[1]], asked: 3 });
  expect(backend.steps.filter((step) => step.startsWith("run "))).toEqual(["run maskDecoder"]);
});

test("objects have pointers of all four mask tokens beside the same candidates", async () => {
  const prompts = grid(2);
  const objects = await decodeObjects(model, features, prompts, { noMemory: 1 });
  for await (const { candidates } of decodeMany(model, features, prompts, { promptsPerRun: 4 })) {
    expect(objects).toEqual(candidates.map((one, i) => ({ ...one, pointers: objects[i]?.pointers })));
  }
  expect(objects.map(({ pointers }) => pointers.length)).toEqual([1, 2, 3, 4].map(() => 4 * toyConfig.width));
  const remembered = await decodeObjects(model, features, prompts, { noMemory: 0 });
  expect(remembered[0]?.logits).not.toEqual(objects[0]?.logits);
});

test("an abort, a failure and a break leave nothing alive", async () => {
  const abort = new TestAbort();
  const all = async (): Promise<void> => {
    for await (const _ of decodeMany(model, features, grid(4), { promptsPerRun: 4, signal: abort.signal }))
      abort.abort();
  };
  await expect(all()).rejects.toBe(abort.reason);
  expect([runs(backend), backend.tensors]).toEqual([1, 3]);
  for await (const _ of decodeMany(model, features, grid(4), { promptsPerRun: 4 })) break;
  expect([runs(backend), backend.tensors]).toEqual([2, 3]);
  backend.intervene = async (step) => {
    if (step === "read iouPredictions") throw new Error("lost");
  };
  await expect(decodeMany(model, features, grid(1), { promptsPerRun: 1 }).next()).rejects.toThrow("lost");
  expect(backend.tensors).toBe(3);
  backend.intervene = async (step) => {
    if (step === "read lowResMasks") throw new Error("lost");
  };
  const halves = decodeMany(model, features, grid(1), { promptsPerRun: 1, isWanted: () => true });
  await expect(halves.next()).rejects.toThrow("lost");
  expect(backend.tensors).toBe(3);
});
