import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Mask, maskIou } from "../mask/mask.ts";
import { decodeRle } from "../mask/rle.ts";
import { draw } from "../mask/samples.ts";
import { decodeLabelPng } from "../node/label-png.ts";
import { boundaryF, evaluateLabels, evaluateMasklet, objectMask } from "./masklets.ts";

const square = draw("........", ".####...", ".####...", ".####...", "........");
const empty = draw("........", "........", "........", "........", "........");

test("a mask and itself", () => {
  expect([maskIou(square, square), boundaryF(square, square)]).toEqual([1, 1]);
  expect([maskIou(empty, empty), boundaryF(empty, empty)]).toEqual([1, 1]);
});

test("one of two is empty", () => {
  expect([maskIou(square, empty), boundaryF(square, empty), boundaryF(empty, square)]).toEqual([0, 0, 0]);
});

test("halves overlap", () => {
  expect(maskIou(square, draw("........", "...####.", "...####.", "...####.", "........"))).toBeCloseTo(6 / 18, 12);
});

test("boundaries match within the disk and not beyond", () => {
  const near = draw("........", "..####..", "..####..", "..####..", "........");
  expect(boundaryF(square, near, { boundary: 0.1 })).toBe(1); // one pixel
  expect(boundaryF(square, near, { boundary: 0 })).toBeLessThan(1);
});

test("an object counts from the frame that shows it first, without the first and the last frame", () => {
  expect(evaluateMasklet([empty, empty, square, empty], [square, empty, square, square])).toEqual({
    j: 1,
    f: 1,
    jAndF: 1,
  });
  const all = evaluateMasklet([empty, empty, square, empty], [square, empty, square, square], {
    skipFirstAndLast: false,
  });
  expect(all.j).toBe(0.5);
});

test("label maps: objects of the truth, and their mean", () => {
  const map = (...ids: readonly number[]) => ({ width: ids.length, height: 1, data: Uint8Array.from(ids) });
  const truth = [map(1, 1, 2), map(1, 1, 2), map(1, 1, 2)];
  const { objects, mean } = evaluateLabels([truth[0], map(1, 3, 2), truth[2]] as typeof truth, truth);
  expect([...objects.keys()]).toEqual([1, 2]);
  expect([objects.get(1)?.j, objects.get(2)?.j, mean.j]).toEqual([0.5, 1, 0.75]);
});

test.each([
  ["unequal numbers of frames", [square], [square, square], "masklet-length"],
  ["nothing to see", [empty, empty, empty], [empty, empty, empty], "masklet-empty"],
  ["unequal sizes", [square, draw("#"), square], [square, square, square], "mask-size-mismatch"],
])("%s is an error", (_, predicted, truth, code) => {
  expect(() => evaluateMasklet(predicted, truth)).toThrow(expect.objectContaining({ code }));
});

const shared = new URL("../../../../../shared/", import.meta.url);

describe.skipIf(!existsSync(shared))("the reference's evaluator (needs ../shared/goldens)", () => {
  interface Scenario {
    readonly frames: string;
    readonly log: readonly {
      step: string;
      frame: number;
      ids: readonly number[];
      masks: readonly (readonly number[])[];
    }[];
    readonly davis?: Readonly<Record<string, { label: number; J: number; F: number; JF: number }>>;
  }
  const scenarios: Readonly<Record<string, Scenario>> = existsSync(shared)
    ? JSON.parse(readFileSync(new URL("goldens/nano/video.json", shared), "utf8"))
    : {};
  const cases = Object.entries(scenarios).flatMap(([name, { davis = {}, log }]) =>
    Object.entries(davis).map(([id, expected]) => ({ name, id, log, expected })),
  );

  test.each(cases)("$name, object $id", async ({ id, log, expected: { label, J, F, JF } }) => {
    const folder = new URL("media/clip.labels/", shared);
    const files = readdirSync(folder).sort();
    const labels = await Promise.all(files.map((file) => decodeLabelPng(readFileSync(new URL(file, folder)), file)));
    const { width, height } = labels[0] as { width: number; height: number };
    const masks = new Map<number, Mask>();
    for (const { step, frame, ids, masks: runs } of log) {
      if (step !== "propagate") continue;
      masks.set(
        frame,
        decodeRle({ size: [height, width], counts: runs[ids.indexOf(Number(id))] as readonly number[] }),
      );
    }
    const score = evaluateMasklet(
      labels.map((_, frame) => masks.get(frame) as Mask),
      labels.map((map) => objectMask(map, label)),
    );
    expect(Math.abs(100 * score.j - J)).toBeLessThanOrEqual(1e-3);
    expect(Math.abs(100 * score.f - F)).toBeLessThanOrEqual(1e-3);
    expect(Math.abs(100 * score.jAndF - JF)).toBeLessThanOrEqual(1e-3);
  });
});
