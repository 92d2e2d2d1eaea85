/** Everything in the drawing, as `SAM2AutomaticMaskGenerator` finds it under the nano weights. */
import { readFileSync } from "node:fs";
import {
  type AutomaticMask,
  AutomaticMaskGenerator,
  type AutomaticMaskOptions,
  decodeRle,
  maskIou,
  type Point,
  type RawImage,
  type Rle,
} from "@masklet/core";
import { loadSam2, readImage } from "@masklet/core/node";
import { shared, sharedPath } from "@masklet/core/test/goldens/shared.node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOrtBackend } from "../src/node.ts";

interface GoldenMask {
  readonly rle: Rle["counts"];
  readonly size: Rle["size"];
  readonly area: number;
  /** x, y and, from edge pixel to edge pixel, width and height. */
  readonly bbox: readonly number[];
  readonly predicted_iou: number;
  readonly stability_score: number;
  readonly point: Point;
  readonly crop_box: readonly number[];
}

interface Golden {
  readonly options: Readonly<Record<string, unknown>>;
  readonly masks: readonly GoldenMask[];
}

/** The reference's names, as far as the goldens use them. */
const names: Readonly<Record<string, keyof AutomaticMaskOptions>> = {
  points_per_side: "pointsPerSide",
  points_per_batch: "pointsPerBatch",
  pred_iou_thresh: "predIouThreshold",
  stability_score_thresh: "stabilityScoreThreshold",
  stability_score_offset: "stabilityScoreOffset",
  mask_threshold: "maskThreshold",
  box_nms_thresh: "boxNmsThreshold",
  crop_n_layers: "cropLayers",
  crop_nms_thresh: "cropNmsThreshold",
  crop_overlap_ratio: "cropOverlapRatio",
  crop_n_points_downscale_factor: "cropPointsDownscaleFactor",
  point_grids: "pointGrids",
  min_mask_region_area: "minMaskRegionArea",
  use_m2m: "useM2m",
  multimask_output: "multimaskOutput",
};

const goldens: Readonly<Record<string, Golden>> =
  shared === undefined ? {} : JSON.parse(readFileSync(sharedPath("goldens/nano/amg.json"), "utf8"));

describe.skipIf(shared === undefined)("automatic masks (needs ../shared)", async () => {
  const backend = await createOrtBackend();
  const model = await loadSam2(sharedPath("nano/sam2.1_hiera_nano.pt"), { backend });
  let image: RawImage;
  beforeAll(async () => {
    image = await readImage(sharedPath("media/scene.png"));
  });
  afterAll(async () => {
    await model.dispose();
    expect(backend.liveTensors).toBe(0);
    await backend.dispose();
  });

  test.each(Object.entries(goldens))("%s", async (_, { options, masks }) => {
    const ours: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(options)) ours[names[name] ?? expect.fail(`no option ${name}`)] = value;
    await using generator = new AutomaticMaskGenerator(model, ours);
    const found = await generator.generate(image);
    expect(found.map(({ iouPrediction }) => iouPrediction)).toHaveLength(masks.length);
    for (const [i, golden] of masks.entries()) {
      const mask = found[i] as AutomaticMask;
      const where = `mask ${i}`;
      expect(maskIou(decodeRle(mask.rle), decodeRle({ size: golden.size, counts: golden.rle })), where).toBeGreaterThan(
        0.99,
      );
      expect(Math.abs(mask.iouPrediction - golden.predicted_iou), where).toBeLessThan(1e-3);
      expect(Math.abs(mask.stabilityScore - golden.stability_score), where).toBeLessThan(1e-2);
      for (const axis of [0, 1] as const) expect(mask.point[axis], where).toBeCloseTo(golden.point[axis], 2);
      const { x, y, width, height } = mask.cropBox;
      expect([x, y, width, height], where).toEqual(golden.crop_box);
      const box = [mask.box.x, mask.box.y, mask.box.width - 1, mask.box.height - 1];
      for (const [side, at] of golden.bbox.entries())
        expect(Math.abs((box[side] as number) - at), where).toBeLessThan(3);
    }
  });
});
