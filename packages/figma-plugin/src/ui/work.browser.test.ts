/** A picture that is opened again: what was found exactly is found again, to the pixel. */
import { type RawImage, rasterise } from "@masklet/core";
import { expect, test } from "vitest";
import type { Job, OutputKind, Target } from "../protocol.ts";
import type { Channel } from "./channel.ts";
import type { Engine } from "./engine.ts";
import { encodePng } from "./pictures.ts";
import { recipes } from "./results.ts";
import { Work } from "./work.ts";

const [width, height] = [48, 32];
const settings = { feather: 1, decontaminate: 2, hair: false, outline: "medium" } as const;

/** Figma's store of images. */
class Images {
  readonly #images = new Map<string, Uint8Array>();

  readonly channel = {
    call: async (method: string, { hash, bytes }: { readonly hash: string; readonly bytes: Uint8Array }) => {
      if (method === "store") return { hash: this.add(bytes), width, height };
      const found = this.#images.get(hash);
      if (found === undefined) throw new Error(`${hash} is gone`);
      const view = new DataView(found.buffer, found.byteOffset);
      return { bytes: found, width: view.getUint32(16), height: view.getUint32(20), colours: "srgb" };
    },
  } as unknown as Channel;

  add(bytes: Uint8Array): string {
    const hash = `image ${this.#images.size}`;
    this.#images.set(hash, bytes);
    return hash;
  }

  delete(hash: string): void {
    this.#images.delete(hash);
  }
}

/** A finder that is unsure along a slope as wide as the picture. */
const slope = {
  subjectMethod: async () => ({
    isSoft: true,
    finder: {
      find: async () => ({
        width,
        height,
        data: Float32Array.from({ length: width * height }, (_, i) => Math.min(1, (i % width) / 32)),
      }),
    },
  }),
} as unknown as Engine;

/** Neighbours differ, so that no background is flat. */
function picture(channels: 3 | 4): RawImage {
  const data = Uint8Array.from({ length: channels * width * height }, (_, i) =>
    channels === 4 && i % 4 === 3 ? 120 : (i * 89 + (i >> 4) * 31) % 256,
  );
  return { width, height, channels, data };
}

const targetOf = (hash: string): Target => ({
  node: "1:2",
  name: "photo",
  field: "fills",
  hash,
  geometry: { scaleMode: "FILL" },
  width,
  height,
  outputs: ["mask-group", "fill", "copy"],
  cautions: [],
  stamp: "",
  made: null,
});

const recipe = (id: string): (typeof recipes)[number] => recipes.find((one) => one.id === id) as never;

/** As the main thread keeps it with the result. */
function madeTarget(target: Target, { output }: Job): Target {
  const results = output.objects.flatMap(({ image }) => (image === null ? [] : [image.hash]));
  return { ...target, made: { kind: output.kind as OutputKind, edit: output.edit, results } };
}

async function found(channels: 3 | 4): Promise<{ images: Images; target: Target; work: Work }> {
  const images = new Images();
  const target = targetOf(images.add(await encodePng(picture(channels))));
  const work = await Work.open({ channel: images.channel, target, settings });
  expect(await work.removeBackground(slope)).toEqual(["faint"]);
  return { images, target, work };
}

const alphas = (work: Work): readonly number[][] =>
  work.cut().map(({ image: { data } }) => [...data].filter((_, i) => i % 4 === 3));

test.each(
  ["mask-group", "fill", "white", "copy", "sticker"].flatMap((id) => ([3, 4] as const).map((n) => [id, n] as const)),
)("the soft alpha is there again after a week as %s, in a picture of %i channels", async (id, channels) => {
  const { images, target, work } = await found(channels);
  const [before = []] = alphas(work);
  expect(new Set(before).size).toBeGreaterThan(20);
  const job = await work.job(images.channel, recipe(id));
  const again = await Work.open({ channel: images.channel, target: madeTarget(target, job), settings });
  const [after = []] = alphas(again);
  expect(Math.max(...after.map((value, i) => Math.abs(value - (before[i] ?? 0))))).toBeLessThanOrEqual(1);
  // And after another: nothing fades by being opened.
  const next = await again.job(images.channel, recipe(id));
  const [last = []] = alphas(await Work.open({ channel: images.channel, target: madeTarget(target, next), settings }));
  expect(Math.max(...last.map((value, i) => Math.abs(value - (before[i] ?? 0))))).toBeLessThanOrEqual(1);
});

test("where the result does not hold the object's own alpha, or is gone, the mask is left", async () => {
  const hard = async (target: Target, images: Images): Promise<void> => {
    const again = await Work.open({ channel: images.channel, target, settings });
    expect(again.isReady).toBe(true);
    const [alpha = []] = alphas(again);
    // The mask's edge, as wide as the settings have it, and not a slope of 32 pixels.
    expect(new Set(alpha).size).toBeLessThan(12);
  };
  const { images, target, work } = await found(3);
  for (const id of ["background", "vector-mask", "trimmed"]) {
    await hard(madeTarget(target, await work.job(images.channel, recipe(id))), images);
  }
  const job = await work.job(images.channel, recipe("fill"));
  const gone = madeTarget(target, job);
  images.delete(gone.made?.results[0] ?? "");
  await hard(gone, images);
});

test("of a result of several objects none takes the others' alpha for its own", async () => {
  const { images, target, work } = await found(3);
  work.session.addObjects([{ mask: rasterise([[0, 0, 8, 0, 8, 8, 0, 8]], { width, height }) }]);
  const job = await work.job(images.channel, recipe("mask-group"));
  const again = await Work.open({ channel: images.channel, target: madeTarget(target, job), settings });
  const [first = []] = alphas(again);
  // The second object's corner is none of the first's.
  expect(first[0]).toBe(0);
});

test("hair and its outline are as they were after a week, whatever the settings are by then", async () => {
  const images = new Images();
  const target = targetOf(images.add(await encodePng(picture(3))));
  const then = { ...settings, hair: true, outline: "wide" } as const;
  const work = await Work.open({ channel: images.channel, target, settings: then });
  const data = Float32Array.from({ length: 1024 }, (_, i) => 12 - Math.hypot((i % 32) - 15, (i >> 5) - 15));
  const mask = new Uint8Array(width * height);
  for (let i = 0; i < mask.length; i++) {
    const cell = 32 * Math.floor(i / width) + Math.floor(((i % width) * 32) / width);
    mask[i] = Number((data[cell] ?? 0) > 0);
  }
  work.session.engine = { recent: [[{ width: 32, height: 32, data }]] } as never;
  work.session.addObjects([{ mask: { width, height, data: mask } }]);
  const job = await work.job(images.channel, recipe("shape"));
  expect(JSON.parse(job.output.edit)).toMatchObject({
    settings: then,
    logits: { 1: expect.stringMatching(/^32 32 ./) },
  });
  const again = await Work.open({ channel: images.channel, target: madeTarget(target, job), settings });
  expect(again.settings).toEqual(then);
  expect(again.cut()).toEqual(work.cut());
  again.settings = settings;
  expect(again.cut()).not.toEqual(work.cut());
});

/** White on black, or labels: what a cell of 12 x 8 is. */
async function maskFile(value: (i: number) => number): Promise<Blob> {
  const data = new Uint8Array(3 * 12 * 8);
  for (let i = 0; i < data.length; i++) data[i] = value(Math.floor(i / 3));
  return new Blob([(await encodePng({ width: 12, height: 8, channels: 3, data })).slice()]);
}

test("a mask from elsewhere becomes an object: of any size, of several labels, or where a layer lies", async () => {
  const images = new Images();
  const target = targetOf(images.add(await encodePng(picture(3))));
  const work = await Work.open({ channel: images.channel, target, settings });
  const left = await maskFile((i) => (i % 12 < 6 ? 255 : 0));
  expect(await work.importMask(left)).toEqual({ count: 1, warnings: [] });
  const columns = (id: number): number[] => [...work.session.mask(id).data.slice(0, width)];
  expect(columns(1)).toEqual(Array.from({ length: width }, (_, x) => Number(x < width / 2)));
  // A layer over the right half of the picture.
  const map = [
    [2 / width, 0, -1],
    [0, 1 / height, 0],
  ] as const;
  expect(await work.importMask(left, map as never)).toMatchObject({ count: 1 });
  expect(columns(2)).toEqual(Array.from({ length: width }, (_, x) => Number(x >= 24 && x < 36)));
  expect(await work.importMask(await maskFile((i) => Math.floor((i % 12) / 4)))).toMatchObject({ count: 2 });
  expect(work.session.document.objects).toHaveLength(4);
  const empty = await maskFile(() => 0);
  await expect(work.importMask(empty)).rejects.toMatchObject({ code: "no-mask" });
  const square = new Blob([(await encodePng({ width: 8, height: 8, channels: 3, data: new Uint8Array(192) })).slice()]);
  await expect(work.importMask(square)).rejects.toThrow("8 x 8, the image 48 x 32");
});
