/** The command line under the nano weights against Meta's own image predictor: picture and prompts in, records out. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decodeRle, type Mask } from "@masklet/core/node";
import { beforeAll, describe, expect, test } from "vitest";
import type { Annotation } from "../src/segment/record.ts";
import { cli, records, scene } from "./cli.ts";

interface GoldenCase {
  readonly prompt: {
    readonly points?: readonly (readonly [x: number, y: number])[];
    readonly labels?: readonly (0 | 1)[];
    readonly box?: readonly [number, number, number, number];
    readonly multimask: boolean;
  };
  readonly iou: readonly number[];
  readonly masks: readonly (readonly number[])[];
  readonly coco: readonly { readonly counts: string; readonly area: number; readonly bbox: readonly number[] }[];
}
type Goldens = Readonly<
  Record<string, { readonly size: readonly [height: number, width: number]; readonly cases: readonly GoldenCase[] }>
>;

const shared = new URL("../../../../shared/", import.meta.url);
const hasShared = existsSync(shared);
const goldens = hasShared
  ? (JSON.parse(readFileSync(new URL("goldens/nano/image.json", shared), "utf8")) as Goldens)
  : {};

/** A case as options, for an object with its index as id. */
function optionsOf({ prompt: { points = [], labels = [], box } }: GoldenCase, index: number): readonly string[] {
  const clicks = points.flatMap((point, i) => [
    "--point",
    `${point.join(",")},${labels[i] === 0 ? "-" : "+"}#${index}`,
  ]);
  return box === undefined ? clicks : [...clicks, "--box", `${box.join(",")}#${index}`];
}

describe.skipIf(!hasShared)("nano goldens through the command line (needs ../shared/goldens)", () => {
  describe.each(Object.keys(goldens))("%s", (name) => {
    const { size, cases } = goldens[name] as Goldens[string];
    const answers = new Map<number, readonly Annotation[]>();

    beforeAll(async () => {
      // One call for the prompts that want three masks, one for those that want one.
      for (const multimask of [true, false]) {
        const indices = [...cases.keys()].filter((i) => cases[i]?.prompt.multimask === multimask);
        const prompts = indices.flatMap((i) => optionsOf(cases[i] as GoldenCase, i));
        const image = fileURLToPath(new URL(`media/${name}.png`, shared));
        const args = ["segment", image, ...prompts, "--json", "--model", "nano", ...(multimask ? ["--multimask"] : [])];
        const result = await cli(args);
        expect([result.code, result.stderr]).toEqual([0, ""]);
        const [record] = records(result);
        expect(record?.image).toEqual({ file_name: `${name}.png`, width: size[1], height: size[0] });
        for (const i of indices) answers.set(i, record?.annotations.filter(({ id }) => id === i) ?? []);
      }
    });

    test.each(cases.map((golden, i) => ({ i, golden, shown: optionsOf(golden, i).join(" ") })))(
      "$shown",
      ({ i, golden }) => {
        const annotations = answers.get(i) ?? [];
        expect(annotations).toHaveLength(golden.masks.length);
        for (const [k, { segmentation, area, bbox, predicted_iou }] of annotations.entries()) {
          const expected = decodeRle({ size, counts: golden.masks[k] as readonly number[] });
          const { apart, iou } = compare(decodeRle(segmentation), expected);
          expect(apart <= 4 || iou >= 0.999, `mask ${k}: ${apart} pixels, IoU ${iou}`).toBe(true);
          expect(Math.abs(predicted_iou - (golden.iou[k] as number))).toBeLessThanOrEqual(1e-3);
          const coco = golden.coco[k] as GoldenCase["coco"][number];
          if (apart === 0) expect({ counts: segmentation.counts, area, bbox }).toEqual(coco);
        }
      },
    );
  });
});

test("TensorFlow.js finds the same masks as ONNX Runtime", async () => {
  const prompts = ["--point", "581,532#1", "--box", "45,35,224,209#2"];
  const found = await Promise.all(
    ["ort", "tfjs"].map(async (backend) => {
      const args = ["segment", scene, ...prompts, "--multimask", "--json", "--model", "nano", "--backend", backend];
      const result = await cli(args);
      expect([result.code, result.stderr]).toEqual([0, ""]);
      return records(result).flatMap(({ annotations }) => annotations);
    }),
  );
  const [ort = [], tfjs = []] = found;
  expect([ort.length, tfjs.length]).toEqual([6, 6]);
  for (const [i, { segmentation, predicted_iou }] of tfjs.entries()) {
    const expected = ort[i] as Annotation;
    expect(compare(decodeRle(segmentation), decodeRle(expected.segmentation)).iou).toBeGreaterThanOrEqual(0.995);
    expect(Math.abs(predicted_iou - expected.predicted_iou)).toBeLessThanOrEqual(1e-3);
  }
});

function compare(a: Mask, b: Mask): { readonly apart: number; readonly iou: number } {
  let [apart, both, either] = [0, 0, 0];
  for (const [i, value] of a.data.entries()) {
    const other = b.data[i] as number;
    apart += value === other ? 0 : 1;
    both += value & other;
    either += value | other;
  }
  return { apart, iou: either === 0 ? 1 : both / either };
}
