/** `segment` from a path to files, under nano. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readImage } from "@masklet/core/node";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { segment } from "../src/node.ts";

const scene = fileURLToPath(new URL("../../../examples/scene.png", import.meta.url));

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
  expect(found.model.name).toBe("sam2.1-hiera-nano");
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
