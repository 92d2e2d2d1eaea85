/** `segment` in a page, from what is shown to files, under nano. */
import { imagePoint } from "@masklet/core/web";
import { afterAll, afterEach, expect, test } from "vitest";

import { createOrtBackend, segment } from "../src/web.ts";

const sceneUrl = new URL("../../../examples/scene.png", import.meta.url).href;
const nano = { model: "nano" } as const;

afterEach(() => document.body.replaceChildren());
afterAll(() => segment.dispose());

/** The sign is at about (45, 35) to (224, 209) of the 640x640 picture. */
const sign = [130, 121] as const;

test("a click on a picture that is shown at half its size", async () => {
  const picture = document.createElement("img");
  picture.style.cssText = "width: 320px; border: 3px solid";
  picture.src = sceneUrl; // not awaited: it is waited for
  document.body.append(picture);
  await picture.decode();
  const clicked = new Promise<readonly [number, number]>((resolve) =>
    picture.addEventListener("click", (event) => resolve(imagePoint(event))),
  );
  const { left, top } = picture.getBoundingClientRect();
  const [clientX, clientY] = [left + 3 + sign[0] / 2, top + 3 + sign[1] / 2];
  picture.dispatchEvent(new MouseEvent("click", { clientX, clientY, bubbles: true }));
  const point = await clicked;
  expect(Math.hypot(point[0] - sign[0], point[1] - sign[1])).toBeLessThan(3);

  const backend = await createOrtBackend({ device: "wasm" });
  const found = await segment(picture, { points: [point] }, { ...nano, backend });
  expect([found.rough, found.model.name, found.mask.width]).toEqual([true, "sam2.1-hiera-nano", 640]);
  expect(found.model.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(found.predictedIou).toBeGreaterThan(0.8);
  const cut = await createImageBitmap(await found.cutout({ crop: true }));
  expect(Math.abs(cut.width - 180)).toBeLessThan(20);
  expect((await found.png()).type).toBe("image/png");
  await segment.dispose();
  await backend.dispose();
});

test("an address, a Blob, a canvas and an <img> that is loading give the same mask", async () => {
  const backend = await createOrtBackend({ device: "wasm" });
  const blob = await (await fetch(sceneUrl)).blob();
  const bitmap = await createImageBitmap(blob);
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 640 });
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  const loading = document.createElement("img");
  loading.src = `${sceneUrl}?again`;
  const masks: string[] = [];
  for (const image of [sceneUrl, new URL(sceneUrl, location.href), blob, canvas, loading]) {
    masks.push((await segment(image, { box: [45, 35, 225, 210] }, { ...nano, backend })).rle().counts);
  }
  expect(new Set(masks).size).toBe(1);
  await expect(segment("/no-such-picture.png?x=1", { points: [[1, 1]] }, { ...nano, backend })).rejects.toMatchObject({
    code: expect.stringMatching(/^image-(not-found|corrupt)$/), // a development server may answer with a page
  });
  await segment.dispose();
  await backend.dispose();
});
