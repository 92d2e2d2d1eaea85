/** The image predictor under the nano weights against Meta's own, end to end, on the wasm engine. */
import {
  decodeRle,
  ImagePredictor,
  type Label,
  type Mask,
  type Point,
  type Prompt,
  type PromptBox,
} from "@masklet/core";
import { readImage, Sam2 } from "@masklet/core/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTfjsBackend } from "../src/node.ts";
import { hasShared, readShared, sharedPath } from "./shared.ts";

interface Answer {
  readonly iou: readonly number[];
  readonly masks: readonly (readonly number[])[];
  readonly low_res_sample: readonly (readonly number[])[];
}
interface GoldenCase extends Answer {
  readonly prompt: {
    readonly points?: readonly Point[];
    readonly labels?: readonly Label[];
    readonly box?: PromptBox;
    readonly multimask: boolean;
    readonly refine?: { readonly points: readonly Point[]; readonly labels: readonly Label[] };
  };
  readonly refined?: Answer;
}
type Goldens = Readonly<
  Record<string, { readonly size: readonly [height: number, width: number]; readonly cases: readonly GoldenCase[] }>
>;

const goldens = hasShared ? (readShared("goldens/nano/image.json") as Goldens) : {};

const promptOf = ({ points, labels, box }: GoldenCase["prompt"]): Prompt => ({
  ...(points === undefined ? {} : { points }),
  ...(labels === undefined ? {} : { labels }),
  ...(box === undefined ? {} : { box }),
});

describe.skipIf(!hasShared)("nano goldens (needs ../shared/goldens)", () => {
  let backend: Awaited<ReturnType<typeof createTfjsBackend>>;
  let model: Sam2;
  beforeAll(async () => {
    backend = await createTfjsBackend({ engine: "wasm" });
    model = await Sam2.load(sharedPath("nano/sam2.1_hiera_nano.safetensors"), { backend });
  });
  afterAll(async () => {
    await model?.dispose();
    await backend?.dispose();
  });

  describe.each(Object.keys(goldens))("%s", (name) => {
    const { size, cases } = goldens[name] as Goldens[string];
    let predictor: ImagePredictor;
    beforeAll(async () => {
      predictor = new ImagePredictor(model);
      await predictor.setImage(await readImage(sharedPath(`media/${name}.png`)));
    });
    afterAll(() => predictor?.dispose());

    test.each(cases.map((golden, i) => ({ i, golden, kind: kindOf(golden) })))("case $i: $kind", async ({ golden }) => {
      const prompt = promptOf(golden.prompt);
      const prediction = await predictor.predict(prompt, { multimaskOutput: golden.prompt.multimask });
      expectAnswer(prediction, golden, size);
      const { refine } = golden.prompt;
      if (refine === undefined || golden.refined === undefined) return;
      const again: Prompt = {
        ...prompt,
        points: [...(prompt.points ?? []), ...refine.points],
        labels: [...(prompt.labels ?? []), ...refine.labels],
        maskInput: prediction.lowResLogits[prediction.best] as NonNullable<Prompt["maskInput"]>,
      };
      expectAnswer(await predictor.predict(again, { multimaskOutput: false }), golden.refined, size);
    });

    test("all prompts in one call give what each gives alone", async () => {
      const prompts = cases.map(({ prompt }) => promptOf(prompt));
      const together = await predictor.predictMany(prompts);
      for (const [i, prompt] of prompts.entries()) {
        const alone = await predictor.predict(prompt);
        for (const [k, mask] of alone.masks.entries()) {
          expect(different(mask, together[i]?.masks[k] as Mask)).toBeLessThanOrEqual(4);
        }
      }
    });
  });
});

function kindOf({ prompt: { points, box, multimask } }: GoldenCase): string {
  const parts = [box === undefined ? "" : "box", points === undefined ? "" : `${points.length} points`];
  return `${parts.filter((part) => part !== "").join(" and ")}, ${multimask ? "three masks" : "one mask"}`;
}

function different(a: Mask, b: Mask): number {
  return a.data.reduce((count, value, i) => count + (value === b.data[i] ? 0 : 1), 0);
}

function iou(a: Mask, b: Mask): number {
  let both = 0;
  let either = 0;
  for (const [i, value] of a.data.entries()) {
    both += value & (b.data[i] as number);
    either += value | (b.data[i] as number);
  }
  return either === 0 ? 1 : both / either;
}

function expectAnswer(
  { masks, iouPredictions, lowResLogits }: Awaited<ReturnType<ImagePredictor["predict"]>>,
  golden: Answer,
  size: readonly [number, number],
): void {
  expect(masks.length).toBe(golden.masks.length);
  for (const [i, mask] of masks.entries()) {
    const expected = decodeRle({ size, counts: golden.masks[i] as readonly number[] });
    expect(iou(mask, expected), `mask ${i}`).toBeGreaterThanOrEqual(0.995);
    expect(Math.abs((iouPredictions[i] as number) - (golden.iou[i] as number))).toBeLessThanOrEqual(1e-3);
    const sample = (golden.low_res_sample[i] as readonly number[]).map((value, k) =>
      Math.abs((lowResLogits[i]?.data[k * 61] as number) - value),
    );
    expect(Math.max(...sample), `mask ${i}: logits`).toBeLessThanOrEqual(2e-2);
  }
}
