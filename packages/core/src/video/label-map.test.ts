import { expect, test } from "vitest";
import { randomNumbers } from "../mask/samples.ts";
import { frameResult, type VideoObject } from "./frame-result.ts";
import { labelMap } from "./label-map.ts";

const size = { width: 53, height: 31 };
const side = 16;
const next = randomNumbers(3);
/** Three objects whose masks overlap a lot. */
const known = new Map(
  [7, 2, 255].map((id) => [
    id,
    {
      logits: Float32Array.from({ length: side * side }, () => next() * 4 - 1),
      pointer: new Float32Array(0),
      objectScore: 1,
      iouPrediction: 1,
    },
  ]),
);
const result = (options: { nonOverlappingMasks: boolean; returnLogits: boolean }) =>
  frameResult(0, known, { size, side, ...options });

test("at overlaps the strongest logit wins, the same with and without logits at the video's size", () => {
  const frame = result({ nonOverlappingMasks: false, returnLogits: false });
  const map = labelMap(frame, size);
  const separate = result({ nonOverlappingMasks: true, returnLogits: false }).objects;
  const overlapping = map.data.filter((_, at) => frame.objects.filter(({ mask }) => mask.data[at] === 1).length > 1);
  expect(overlapping.length).toBeGreaterThan(500);
  expect(map).toEqual({
    ...size,
    data: map.data.map((_, at) => separate.find(({ mask }) => mask.data[at] === 1)?.id ?? 0),
  });
  expect(new Set(map.data)).toEqual(new Set([0, 7, 2, 255]));
  expect(labelMap(result({ nonOverlappingMasks: false, returnLogits: true }), size)).toEqual(map);
});

const object = (id: number, logit: number): VideoObject => ({
  id,
  mask: { width: 2, height: 1, data: Uint8Array.of(1, 0) },
  objectScore: 1,
  iouPrediction: 1,
  lowResLogits: { width: 1, height: 1, data: Float32Array.of(logit) },
});

test("of equals the first wins; nobody is background", () => {
  const map = (...objects: VideoObject[]) => [...labelMap({ objects }, { width: 2, height: 1 }).data];
  expect(map(object(9, 3), object(4, 3))).toEqual([9, 0]);
  expect(map(object(9, 3), object(4, 4))).toEqual([4, 0]);
  expect(map()).toEqual([0, 0]);
});

test.each([0, 256, -1, 1.5])("no label can be %f", (id) => {
  expect(() => labelMap({ objects: [object(id, 1)] }, { width: 2, height: 1 })).toThrow(
    expect.objectContaining({ name: "MaskError", code: "label-id", details: { id } }),
  );
});

test("a mask of another size is refused", () => {
  expect(() => labelMap({ objects: [object(1, 1)] }, size)).toThrow(
    expect.objectContaining({ code: "mask-size-mismatch" }),
  );
});
