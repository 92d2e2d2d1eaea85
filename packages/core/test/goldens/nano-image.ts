/** The image predictor under the nano weights against Meta's own, end to end: picture and prompts in, masks out. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Mask } from "../../src/mask/mask.ts";
import { compressRle, encodeRle, rleArea, rleBox } from "../../src/mask/rle.ts";
import type { ImagePrediction } from "../../src/predict/finish.ts";
import { ImagePredictor } from "../../src/predict/image-predictor.ts";
import type { Label, Point, Prompt, PromptBox } from "../../src/prompt/prompt.ts";
import type { Sam2 } from "../../src/sam2.ts";
import { MaskComparison, type MaskLimits, pixelsApart } from "./masks.ts";
import { type CreateBackend, loadNano, readJson, type Shared, skipSuite, type TestedBackend } from "./shared.ts";

export interface ImageLimits extends MaskLimits {
  /** Largest error of a predicted IoU. */
  readonly iouPrediction: number;
  /** Largest error of a low-resolution logit. */
  readonly logits: number;
}

/** What float32 arithmetic keeps to, in whatever order it adds. */
export const imageLimits: ImageLimits = {
  maskIou: 0.995,
  pixels: 0,
  meanIou: 0.999,
  iouPrediction: 1e-3,
  logits: 2e-2,
};

export interface NanoImageOptions {
  readonly shared: Shared | undefined;
  /** Default `imageLimits`. */
  readonly limits?: ImageLimits;
  /** Of groceries (3 cases), truck (7) and scene (20); all by default. */
  readonly pictures?: readonly string[];
}

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
  readonly coco: readonly { readonly counts: string; readonly area: number; readonly bbox: readonly number[] }[];
  readonly refined?: Answer;
}
interface GoldenPicture {
  readonly size: readonly [height: number, width: number];
  readonly cases: readonly GoldenCase[];
}

/** Declares the tests of the image predictor on a backend. */
export async function testNanoImage(
  createBackend: CreateBackend,
  { shared, limits = imageLimits, pictures }: NanoImageOptions,
): Promise<void> {
  const title = `nano image goldens${pictures === undefined ? "" : `: ${pictures.join(", ")}`}`;
  if (shared === undefined) return skipSuite(title);
  const goldens = await readJson<Readonly<Record<string, GoldenPicture>>>(shared, "goldens/nano/image.json");

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

    describe.each(pictures ?? Object.keys(goldens))("%s", (name) => {
      const { size, cases } = goldens[name] as GoldenPicture;
      let predictor: ImagePredictor;
      beforeAll(async () => {
        predictor = new ImagePredictor(model);
        await predictor.setImage(await shared.image(`media/${name}.png`));
      });
      afterAll(() => predictor?.dispose());

      const expectAnswer = ({ masks, iouPredictions, lowResLogits }: ImagePrediction, golden: Answer): void => {
        expect(masks.length).toBe(golden.masks.length);
        for (const [i, mask] of masks.entries()) {
          expect([mask.height, mask.width]).toEqual(size);
          comparison.expectMask(mask, golden.masks[i] as readonly number[], `mask ${i}`);
          const error = Math.abs((iouPredictions[i] as number) - (golden.iou[i] as number));
          expect(error, `mask ${i}: predicted IoU`).toBeLessThanOrEqual(limits.iouPrediction);
          const sample = (golden.low_res_sample[i] as readonly number[]).map((value, k) =>
            Math.abs((lowResLogits[i]?.data[k * 61] as number) - value),
          );
          expect(Math.max(...sample), `mask ${i}: logits`).toBeLessThanOrEqual(limits.logits);
        }
      };

      test.each(cases.map((golden, i) => ({ i, golden, kind: kindOf(golden) })))(
        "case $i: $kind",
        async ({ golden }) => {
          const prompt = promptOf(golden.prompt);
          const prediction = await predictor.predict(prompt, { multimaskOutput: golden.prompt.multimask });
          expectAnswer(prediction, golden);
          for (const [i, mask] of prediction.masks.entries()) {
            const { counts, area, bbox } = golden.coco[i] as GoldenCase["coco"][number];
            const rle = encodeRle(mask);
            if (compressRle(rle).counts !== counts) continue; // a few pixels apart, as the limits allow
            const { x, y, width, height } = rleBox(rle);
            expect([rleArea(rle), x, y, width, height]).toEqual([area, ...bbox]);
          }
          const { refine } = golden.prompt;
          if (refine === undefined || golden.refined === undefined) return;
          const again: Prompt = {
            ...prompt,
            points: [...(prompt.points ?? []), ...refine.points],
            labels: [...(prompt.labels ?? []), ...refine.labels],
            maskInput: prediction.bestLogits,
          };
          expectAnswer(await predictor.predict(again, { multimaskOutput: false }), golden.refined);
        },
      );

      test("all prompts in one call give what each gives alone", async () => {
        const prompts = cases.map(({ prompt }) => promptOf(prompt));
        const together = await predictor.predictMany(prompts);
        for (const [i, prompt] of prompts.entries()) {
          const alone = await predictor.predict(prompt);
          for (const [k, mask] of alone.masks.entries()) {
            expect(pixelsApart(mask, together[i]?.masks[k] as Mask)).toBeLessThanOrEqual(4);
          }
        }
      });
    });

    test("the mean IoU of all masks", () => comparison.expectMean());

    test("no tensor is left over", () => {
      expect(backend.liveTensors).toBe(0);
    });
  });
}

/** Of a golden's prompt, what the predictor takes. */
export function promptOf({ points, labels, box }: Pick<GoldenCase["prompt"], "points" | "labels" | "box">): Prompt {
  return { ...(points && { points }), ...(labels && { labels }), ...(box && { box }) };
}

function kindOf({ prompt: { points, box, multimask } }: GoldenCase): string {
  const parts = [box === undefined ? "" : "box", points === undefined ? "" : `${points.length} points`];
  return `${parts.filter((part) => part !== "").join(" and ")}, ${multimask ? "three masks" : "one mask"}`;
}
