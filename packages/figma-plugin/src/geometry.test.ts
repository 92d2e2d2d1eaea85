import { describe, expect, test } from "vitest";
import {
  type Affine,
  cropOf,
  type ImageGeometry,
  imageToLayer,
  intersect,
  invert,
  multiply,
  transformPoint,
} from "./geometry.ts";

const image = { width: 400, height: 300 };
const close = (got: readonly number[], wanted: readonly number[]): void => {
  for (const [i, value] of got.entries()) expect(value).toBeCloseTo(wanted[i] as number, 6);
};

describe("where pixels lie", () => {
  test.each<[string, ImageGeometry, { width: number; height: number }, number[], number[]]>([
    // 400 x 300 in 200 x 200: filled by height (2/3), 266.7 wide, 33.3 off to both sides.
    ["FILL", { scaleMode: "FILL" }, { width: 200, height: 200 }, [50, 0], [0, 0]],
    ["FIT", { scaleMode: "FIT" }, { width: 200, height: 200 }, [0, 0], [0, 25]],
    // Turned clockwise, the image's top left is the layer's top right.
    ["FIT turned", { scaleMode: "FIT", rotation: 90 }, { width: 300, height: 400 }, [0, 0], [300, 0]],
    ["FIT turned on", { scaleMode: "FIT", rotation: -90 }, { width: 300, height: 400 }, [0, 0], [0, 400]],
    ["TILE", { scaleMode: "TILE", scalingFactor: 0.5 }, { width: 900, height: 90 }, [400, 300], [200, 150]],
    [
      "TILE turned",
      { scaleMode: "TILE", scalingFactor: 1, rotation: 180 },
      { width: 9, height: 9 },
      [0, 0],
      [400, 300],
    ],
    ["CROP without a transform", { scaleMode: "CROP" }, { width: 40, height: 60 }, [400, 300], [40, 60]],
    [
      "CROP of the lower right quarter",
      {
        scaleMode: "CROP",
        imageTransform: [
          [0.5, 0, 0.5],
          [0, 0.5, 0.5],
        ],
      },
      { width: 100, height: 100 },
      [200, 150],
      [0, 0],
    ],
  ])("%s", (_, paint, layer, pixel, place) => {
    close(transformPoint(imageToLayer(paint, layer, image), pixel[0] as number, pixel[1] as number), place);
  });

  test("a layer without width says so", () => {
    expect(() => imageToLayer({ scaleMode: "FIT" }, { width: 0, height: 5 }, image)).toThrow(/no inverse/);
  });
});

test("a part of a layer with a part of the image shows the same pixels at the same place", () => {
  const skewed: Affine = [
    [0.6, 0.1, 0.2],
    [-0.1, 0.7, 0.1],
  ];
  const paints: readonly ImageGeometry[] = [
    { scaleMode: "CROP", imageTransform: skewed },
    ...[0, 90, 180, 270].flatMap((rotation) =>
      (["FILL", "FIT", "TILE"] as const).map((scaleMode) => ({ scaleMode, rotation, scalingFactor: 0.4 })),
    ),
  ];
  const layer = { width: 210, height: 140 };
  const box = { x: 30, y: 20, width: 50, height: 70 };
  const region = { x: 40, y: 30, width: 120, height: 90 };
  for (const paint of paints) {
    const before = imageToLayer(paint, layer, image);
    const after = imageToLayer({ scaleMode: "CROP", imageTransform: cropOf(before, region, box) }, box, region);
    const [x, y] = transformPoint(before, 77, 55);
    const [u, v] = transformPoint(after, 77 - region.x, 55 - region.y);
    close([u + box.x, v + box.y], [x, y]);
  }
});

test("an inverse undoes, and boxes that do not meet share nothing", () => {
  const map: Affine = [
    [2, 1, 5],
    [0.5, -3, 7],
  ];
  close(multiply(map, invert(map)).flat(), [1, 0, 0, 0, 1, 0]);
  expect(intersect({ x: 0, y: 0, width: 5, height: 5 }, { x: 9, y: 1, width: 5, height: 5 })).toMatchObject({
    width: 0,
  });
});
