/** With nano, which is good on drawings: what is drawn here is what it is good at. */
import { fileURLToPath } from "node:url";
import { AutomaticSubjectFinder, type RawImage, type Sam2 } from "@masklet/core";
import { loadSam2 } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOrtBackend, type OrtBackend, removeBackground, segment } from "../src/node.ts";

let backend: OrtBackend;
let model: Sam2;
beforeAll(async () => {
  backend = await createOrtBackend();
  model = await loadSam2(fileURLToPath(nanoModel.checkpoint), { backend });
});
afterAll(async () => {
  await segment.dispose();
  await model.dispose();
  await backend.dispose();
});

interface Disk {
  readonly x: number;
  readonly y: number;
  readonly r: number;
  readonly colour: readonly [number, number, number];
}

/** Disks on a gradient, 256 x 192. */
function picture(...disks: readonly Disk[]): RawImage {
  const [width, height] = [256, 192];
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const disk = disks.find((one) => Math.hypot(x - one.x, y - one.y) < one.r);
    data.set(disk?.colour ?? [60 + x / 4, 110 + y / 3, 200 - x / 5], 3 * i);
  }
  return { width, height, channels: 3, data };
}

function shareInside(data: ArrayLike<number>, disk: Disk): { readonly inside: number; readonly outside: number } {
  let [inside, outside, area] = [0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const isIn = Math.hypot((i % 256) - disk.x, Math.floor(i / 256) - disk.y) < disk.r;
    if (isIn) area++;
    if ((data[i] as number) >= 0.5) isIn ? inside++ : outside++;
  }
  return { inside: inside / area, outside: outside / area };
}

const large: Disk = { x: 132, y: 98, r: 58, colour: [220, 60, 20] };

test("one thing in the middle is the subject, without a doubt", async () => {
  const found = await removeBackground(picture(large), { model, backend });
  const { inside, outside } = shareInside(found.mask.data, large);
  expect(inside).toBeGreaterThan(0.97);
  expect(outside).toBeLessThan(0.03);
  expect([found.method, found.sure, found.unsure]).toEqual(["outline", true, []]);
  expect((await found.png()).subarray(1, 4)).toEqual(Uint8Array.from([0x50, 0x4e, 0x47]));
  // The soft edge has the disk's colour, not the background's.
  for (let i = 0; i < found.mask.data.length; i++) {
    const alpha = found.cutout.data[4 * i + 3] as number;
    if (alpha > 0 && alpha < 100) expect(found.cutout.data[4 * i]).toBeGreaterThan(150);
  }
});

test("the large one in the middle before small ones at the side", async () => {
  const small: readonly Disk[] = [
    { x: 20, y: 30, r: 12, colour: [250, 240, 40] },
    { x: 236, y: 160, r: 14, colour: [30, 30, 30] },
  ];
  const soft = await new AutomaticSubjectFinder(model, { pointsPerSide: 12 }).find(picture(large, ...small));
  const { inside, outside } = shareInside(soft.data, large);
  expect(inside).toBeGreaterThan(0.95);
  expect(outside).toBeLessThan(0.05);
});

test("two of a kind are one too many", async () => {
  const left: Disk = { x: 74, y: 96, r: 40, colour: [220, 60, 20] };
  const right: Disk = { x: 182, y: 96, r: 40, colour: [240, 220, 30] };
  const { unsure } = await new AutomaticSubjectFinder(model, { pointsPerSide: 12 }).find(picture(left, right));
  expect(unsure).toContain("several");
});

test("nothing there is no subject, or a doubtful one", async () => {
  const { unsure } = await new AutomaticSubjectFinder(model, { pointsPerSide: 6 }).find(picture());
  expect(unsure?.length).toBeGreaterThan(0);
});
