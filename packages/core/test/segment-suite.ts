/** `segment` of a backend's package from a path to files, under nano: the same tests for each of them. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readImage } from "../src/node/image.ts";
import type { createSegment } from "../src/node/segment.ts";
import { sha256 } from "./model-server.ts";

const scene = fileURLToPath(new URL("../../../examples/scene.png", import.meta.url));

/** `nano` is the file of its checkpoint. */
export function testSegment(segment: ReturnType<typeof createSegment>, nano: string): void {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "masklet-segment-"));
    vi.stubEnv("XDG_CONFIG_HOME", root);
    vi.stubEnv("HF_HUB_CACHE", root);
  });
  afterAll(async () => {
    await segment.dispose();
    vi.unstubAllEnvs();
    await rm(root, { recursive: true, force: true });
  });

  test("the sign of the scene, from its path to a cutout", async () => {
    const found = await segment(scene, { box: [45, 35, 225, 210] }, { model: "nano" });
    expect(found.model).toEqual({
      name: "sam2.1-hiera-nano",
      source: nano,
      sha256: sha256(await readFile(nano)),
    });
    expect(found.rough).toBe(true);
    expect(found.predictedIou).toBeGreaterThan(0.8);
    expect(found.rle()).toMatchObject({ size: [640, 640] });
    const cut = await readImage(await found.cutout({ crop: true }));
    expect(cut.channels).toBe(4);
    expect(Math.abs(cut.width - 180)).toBeLessThan(16);
    expect(await readImage(await found.png())).toMatchObject({ width: 640, height: 640 });
  });

  test("without a name it is nano where nothing is chosen and nothing cached, and says so", async () => {
    const found = await segment(scene, { points: [[130, 121]] });
    expect([found.model.name, found.rough]).toEqual(["sam2.1-hiera-nano", true]);
  });
}
