/** `--everything` under the nano weights against Meta's own generator: its options as they are called there. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decodeRle, maskIou, type Rle } from "@masklet/core/node";
import { describe, expect, test } from "vitest";
import { cli, records } from "./cli.ts";

interface Golden {
  readonly options: Readonly<Record<string, number | boolean>>;
  readonly masks: readonly {
    readonly rle: Rle["counts"];
    readonly size: Rle["size"];
    readonly predicted_iou: number;
    readonly stability_score: number;
    readonly point: readonly [number, number];
    readonly crop_box: readonly number[];
  }[];
}

const shared = new URL("../../../../shared/", import.meta.url);
const hasShared = existsSync(shared);
const goldens = hasShared
  ? (JSON.parse(readFileSync(new URL("goldens/nano/amg.json", shared), "utf8")) as Readonly<Record<string, Golden>>)
  : {};

/** `points_per_side: 8` as `--points-per-side 8`. */
function flagsOf(options: Golden["options"]): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = name.replaceAll("_", "-");
    if (value === true) return [`--${flag}`];
    return value === false ? [`--no-${flag}`] : [`--${flag}`, String(value)];
  });
}

describe.skipIf(!hasShared)("automatic masks through the command line (needs ../shared/goldens)", () => {
  test.each(Object.entries(goldens))("%s", async (_, { options, masks }) => {
    const image = fileURLToPath(new URL("media/scene.png", shared));
    const result = await cli(["segment", image, "--everything", ...flagsOf(options), "--json", "--model", "nano"]);
    expect(result.code, result.stderr).toBe(0);
    const found = records(result)[0]?.annotations ?? [];
    expect(found).toHaveLength(masks.length);
    for (const [i, { segmentation, predicted_iou, stability_score, point_coords, crop_box }] of found.entries()) {
      const golden = masks[i] as Golden["masks"][number];
      const expected = decodeRle({ size: golden.size, counts: golden.rle });
      expect(maskIou(decodeRle(segmentation), expected), `mask ${i}`).toBeGreaterThanOrEqual(0.99);
      expect(Math.abs(predicted_iou - golden.predicted_iou)).toBeLessThanOrEqual(1e-3);
      expect(Math.abs(stability_score - golden.stability_score)).toBeLessThanOrEqual(1e-2);
      expect(point_coords?.[0][0]).toBeCloseTo(golden.point[0], 2);
      expect(crop_box).toEqual(golden.crop_box);
    }
  });
});
