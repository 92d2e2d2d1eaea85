import { describe, expect, test } from "vitest";
import { PromptError } from "../errors.ts";
import { resizeAntialiased } from "../image/resize.ts";
import { maskBox } from "../mask/mask.ts";
import { randomMask } from "../mask/samples.ts";
import { copyPrompt, encodePrompt, type MaskLogits, maskPrompt, type Prompt } from "./prompt.ts";

const context = { image: { width: 200, height: 100 }, imageSize: 64, where: "predict" };
const encode = (prompt: Prompt) => encodePrompt(prompt, context);
const logits = (side: number, value = 1): MaskLogits => ({
  width: side,
  height: side,
  data: new Float32Array(side * side).fill(value),
});

describe("encoding", () => {
  test("points are scaled by each axis, and one padding point follows", () => {
    expect(
      encode({
        points: [
          [50, 25],
          [200, 100],
          [0, 0],
        ],
        labels: [1, 0, 1],
      }),
    ).toEqual({
      points: [16, 16, 64, 64, 0, 0, 0, 0],
      labels: [1, 0, 1, -1],
    });
  });

  test("labels are 1 if not given", () => {
    expect(
      encode({
        points: [
          [50, 25],
          [1, 1],
        ],
      }).labels,
    ).toEqual([1, 1, -1]);
  });

  test("a box is two corners before the clicks", () => {
    expect(encode({ box: [50, 25, 100, 75], points: [[100, 50]], labels: [0] })).toEqual({
      points: [16, 16, 32, 48, 32, 32, 0, 0],
      labels: [2, 3, 0, -1],
    });
    expect(encode({ box: [50, 25, 100, 75] }).labels).toEqual([2, 3, -1]);
  });

  test("a mask's box is where the mask is", () => {
    const data = new Uint8Array(200 * 100);
    for (let y = 25; y < 75; y++) data.fill(1, 200 * y + 50, 200 * y + 100);
    const box = maskBox({ width: 200, height: 100, data });
    expect(encode({ box })).toEqual(encode({ box: [50, 25, 100, 75] }));
    expect(encode({ box: { x: 0.25, y: 0.25, width: 0.25, height: 0.5 }, normalized: true })).toEqual(encode({ box }));
    expect(codeOf({ box: maskBox({ width: 200, height: 100, data: new Uint8Array(20_000) }) })).toBe("bad-box");
  });

  test("a box may reach over the image's edge", () => {
    expect(encode({ box: [-50, -25, 400, 50] }).points).toEqual([-16, -16, 128, 32, 0, 0]);
  });

  test("a mask alone has no points", () => {
    const maskInput = logits(16);
    const encoded = encode({ maskInput });
    expect(encoded).toEqual({ points: [], labels: [], maskInput: maskInput.data });
    expect(encoded.maskInput).toBe(maskInput.data);
    expect(encode({ maskInput, points: [], labels: [] })).toEqual(encoded);
  });

  test("fractions of the image", () => {
    const pixels = encode({ points: [[50, 25]], box: [20, 10, 100, 50] });
    expect(encode({ points: [[0.25, 0.25]], box: [0.1, 0.1, 0.5, 0.5], normalized: true })).toEqual(pixels);
    expect(codeOf({ points: [[1.5, 0.5]], normalized: true })).toBe("out-of-image");
    expect(codeOf({ box: [1, 0, 2, 1], normalized: true })).toBe("out-of-image");
  });
});

describe("what describes no object", () => {
  test.each<[string, Prompt, string, string]>([
    ["nothing", {}, "empty", "predict: the prompt has no point, no box and no maskInput"],
    ["no points", { points: [] }, "empty", "predict: the prompt has no point, no box and no maskInput"],
    [
      "too few labels",
      {
        points: [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        labels: [1, 0],
      },
      "labels-mismatch",
      "predict: labels has 2 entries for 3 points",
    ],
    ["labels alone", { labels: [1] }, "labels-mismatch", "predict: labels has 1 entries for 0 points"],
    [
      "NaN",
      {
        points: [
          [1, 2],
          [Number.NaN, 4],
        ],
      },
      "not-finite",
      "predict: points[1] must be two finite numbers, got [NaN, 4]",
    ],
    [
      "infinity",
      { points: [[1, Number.POSITIVE_INFINITY]] },
      "not-finite",
      "predict: points[0] must be two finite numbers, got [1, Infinity]",
    ],
    [
      "left of the image",
      { points: [[-0.5, 2]] },
      "out-of-image",
      "predict: points[0] [-0.5, 2] is outside the image, 0 to 200 and 0 to 100",
    ],
    [
      "below the image",
      { points: [[5, 100.5]] },
      "out-of-image",
      "predict: points[0] [5, 100.5] is outside the image, 0 to 200 and 0 to 100",
    ],
    [
      "far away",
      { points: [[2 ** 53, 1]] },
      "out-of-image",
      "predict: points[0] [9007199254740992, 1] is outside the image, 0 to 200 and 0 to 100",
    ],
    [
      "a NaN box",
      { box: [0, 0, Number.NaN, 1] },
      "not-finite",
      "predict: box must be four finite numbers, got [0, 0, NaN, 1]",
    ],
    [
      "an endless box",
      { box: [Number.NEGATIVE_INFINITY, 0, 1, 1] },
      "not-finite",
      "predict: box must be four finite numbers, got [-Infinity, 0, 1, 1]",
    ],
    [
      "a box the wrong way round",
      { box: [10, 10, 5, 20] },
      "bad-box",
      "predict: box must have x0 < x1 and y0 < y1, got [10, 10, 5, 20]",
    ],
    [
      "a flat box",
      { box: [10, 10, 20, 10] },
      "bad-box",
      "predict: box must have x0 < x1 and y0 < y1, got [10, 10, 20, 10]",
    ],
    [
      "a box outside",
      { box: [200, 0, 210, 10] },
      "out-of-image",
      "predict: box [200, 0, 210, 10] is outside the image, 0 to 200 and 0 to 100",
    ],
    [
      "a small maskInput",
      { maskInput: logits(8) },
      "mask-input-size",
      "predict: maskInput must be 16x16 logits, got 8x8 with 64 values",
    ],
    [
      "a short maskInput",
      { maskInput: { ...logits(16), data: new Float32Array(255) } },
      "mask-input-size",
      "predict: maskInput must be 16x16 logits, got 16x16 with 255 values",
    ],
    [
      "NaN logits",
      { maskInput: logits(16, Number.NaN) },
      "not-finite",
      "predict: maskInput has values that are not finite",
    ],
  ])("%s", (_, prompt, code, message) => {
    expect(errorOf(prompt)).toMatchObject({ name: "PromptError", code, message });
  });

  test("fields for programs", () => {
    expect(errorOf({ points: [[1, 2]], labels: [] }).details).toEqual({ labels: 0, points: 1 });
    expect(errorOf({ points: [[1, 200]] }).details).toEqual({ point: [1, 200], width: 200, height: 100 });
  });
});

/** What only untyped JavaScript can pass. */
test.each<[string, unknown, string, string]>([
  ["undefined", undefined, "bad-prompt", "predict must be an object with points, a box or a maskInput, got undefined"],
  ["null", null, "bad-prompt", "got null"],
  ["text", "10,20", "bad-prompt", 'got "10,20"'],
  ["null for points", { points: null }, "bad-prompt", "predict: points must be a list of [x, y], got null"],
  ["text for points", { points: "10,20" }, "bad-prompt", 'predict: points must be a list of [x, y], got "10,20"'],
  ["a flat list", { points: [10, 20] }, "not-finite", "predict: points[0] must be two finite numbers, got 10"],
  [
    "x and y as fields",
    { points: [{ x: 1, y: 2 }] },
    "not-finite",
    "predict: points[0] must be two finite numbers, got an object",
  ],
  [
    "text in a point",
    { points: [["1", "2"]] },
    "not-finite",
    'predict: points[0] must be two finite numbers, got ["1", "2"]',
  ],
  ["three coordinates", { points: [[1, 2, 3]] }, "not-finite", "got [1, 2, 3]"],
  ["bigints", { points: [[1n, 2n]] }, "not-finite", "predict: points[0] must be two finite numbers, got [1, 2]"],
  ["a hole in the list", { points: new Array(1) }, "not-finite", "got undefined"],
  ["a label 2", { points: [[1, 2]], labels: [2] }, "bad-label", "predict: labels[0] must be 0 or 1, got 2"],
  ["a label as text", { points: [[1, 2]], labels: ["1"] }, "bad-label", 'predict: labels[0] must be 0 or 1, got "1"'],
  [
    "labels as text",
    { points: [[1, 2]], labels: "1" },
    "bad-prompt",
    'predict: labels must be a list of 0 and 1, got "1"',
  ],
  ["a box of three", { box: [1, 2, 3] }, "not-finite", "predict: box must be four finite numbers, got [1, 2, 3]"],
  ["null for a box", { box: null }, "not-finite", "predict: box must be four finite numbers, got null"],
  ["a box as an object", { box: { x: 1 } }, "not-finite", "predict: box must be four finite numbers, got an object"],
  [
    "a maskInput without data",
    { maskInput: { width: 16, height: 16 } },
    "bad-prompt",
    "predict: maskInput must be { width, height, data }",
  ],
  [
    "bare logits",
    { maskInput: new Float32Array(256) },
    "bad-prompt",
    "predict: maskInput must be { width, height, data }",
  ],
  ["null for a maskInput", { maskInput: null }, "bad-prompt", "got null"],
])("%s is refused with a PromptError", (_, prompt, code, message) => {
  const error = errorOf(prompt as Prompt);
  expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
});

test("a copy does not follow its original", () => {
  const point: [number, number] = [1, 2];
  const original = {
    points: [point],
    labels: [1 as 0 | 1],
    box: [1, 2, 3, 4] as const,
    maskInput: logits(16),
    normalized: false,
  };
  const copy = copyPrompt(original, "predict");
  expect(copy).toEqual(original);
  expect(copy.maskInput).toBe(original.maskInput);
  point[0] = 7;
  original.points.push([5, 6]);
  original.labels.push(0);
  expect([copy.points, copy.labels]).toEqual([[[1, 2]], [1]]);
});

describe("maskPrompt", () => {
  test("logits of 10 and -10 at a quarter of the model's size", () => {
    const half = { width: 32, height: 8, data: Uint8Array.from({ length: 256 }, (_, i) => (i % 32 < 16 ? 1 : 0)) };
    const { width, height, data } = maskPrompt(half, 64);
    expect([width, height]).toEqual([16, 16]);
    expect(Array.from(data.subarray(0, 16), Math.sign)).toEqual([...Array(8).fill(1), ...Array(8).fill(-1)]);
    expect([data[0], data[15]]).toEqual([10, -10]);
    expect(encode({ maskInput: { width, height, data } }).maskInput).toHaveLength(256);
  });

  test("any mask, as if each of its pixels were a logit", () => {
    const mask = randomMask(61, 37, 0.5, 5);
    const pixels = Float32Array.from(mask.data, (inside) => (inside === 0 ? -10 : 10));
    expect(maskPrompt(mask, 64).data).toEqual(resizeAntialiased(pixels, mask, { width: 16, height: 16 }));
  });

  test("what is no mask is refused", () => {
    expect(() => maskPrompt({ width: 2, height: 2, data: new Uint8Array(3) }, 64)).toThrow("a 2x2 mask has 4 pixels");
  });
});

function errorOf(prompt: Prompt): PromptError {
  try {
    encode(prompt);
  } catch (error) {
    if (error instanceof PromptError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function codeOf(prompt: Prompt): string {
  return errorOf(prompt).code;
}
