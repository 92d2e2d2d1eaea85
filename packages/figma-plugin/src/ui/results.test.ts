/** From masks to what Figma gets: exact pixels, edges without a halo, curves that follow. */

import { inflateSync } from "node:zlib";
import { openPng, type RawImage, rasterise } from "@masklet/core";
import { EditorSession } from "@masklet/editor";
import { describe, expect, test } from "vitest";
import { Channel } from "./channel.ts";
import { encodeAlpha, encodePng, fitted, frameCount } from "./pictures.ts";
import { alphaBox, cropTo, cutObjects, makeOutput, recipes, together, without } from "./results.ts";
import { traceMask } from "./trace.ts";
import { Work } from "./work.ts";

const settings = { feather: 1, decontaminate: 2, hair: false, outline: "medium" } as const;
const hard = { ...settings, feather: 0, decontaminate: 0 };

const samplesOf = (png: Uint8Array) => {
  const { compressed, unpack } = openPng(png, { name: "made" });
  return unpack(new Uint8Array(inflateSync(compressed)));
};

/** A red ring on a white ground, four samples a side to the pixel: the picture, and the share of the ring in each pixel. */
function product(size: number, ground: readonly [number, number, number]): { image: RawImage; alpha: Float32Array } {
  const data = new Uint8Array(3 * size * size);
  const alpha = new Float32Array(size * size);
  const red = [196, 32, 48];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let inside = 0;
      for (let i = 0; i < 16; i++) {
        const r = Math.hypot(x + ((i % 4) + 0.5) / 4 - size / 2, y + (Math.floor(i / 4) + 0.5) / 4 - size / 2) / size;
        if (r < 0.4 && r > 0.15) inside++;
      }
      const share = inside / 16;
      alpha[y * size + x] = share;
      for (let c = 0; c < 3; c++) {
        data[3 * (y * size + x) + c] = Math.round(share * (red[c] as number) + (1 - share) * (ground[c] as number));
      }
    }
  }
  return { image: { width: size, height: size, channels: 3, data }, alpha };
}

describe("what Figma gets", () => {
  const image: RawImage = {
    width: 3,
    height: 2,
    channels: 4,
    data: Uint8Array.from({ length: 24 }, (_, i) => (i * 37) % 256),
  };

  test("a PNG keeps the colours of what is nearly transparent, and the alpha alone is half", async () => {
    const whole = samplesOf(await encodePng(image));
    expect([...whole.data]).toEqual([...image.data]);
    const mask = samplesOf(await encodeAlpha(image));
    expect(mask).toMatchObject({ kind: "grey-alpha", width: 3, height: 2 });
    expect([...mask.data].filter((_, i) => i % 2 === 1)).toEqual([...image.data].filter((_, i) => i % 4 === 3));
  });

  test("a picture above Figma's limit becomes as large as Figma allows", () => {
    const wide = { width: 8192, height: 2, channels: 3, data: new Uint8Array(8192 * 6).fill(90) } as const;
    const small = fitted(wide);
    expect([small.width, small.height, small.data[0]]).toEqual([4096, 1, 90]);
  });

  test("a GIF's pictures are counted, with colour tables and comments between them", () => {
    const header = [..."GIF89a"].map((letter) => letter.charCodeAt(0));
    const screen = [2, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255]; // two colours
    const frame = [0x2c, 0, 0, 0, 0, 2, 0, 1, 0, 0, 2, 2, 0x44, 0x0a, 0];
    const own = [0x2c, 0, 0, 0, 0, 2, 0, 1, 0, 0x80, 9, 9, 9, 9, 9, 9, 2, 2, 0x44, 0x0a, 0];
    const comment = [0x21, 0xfe, 3, 0x2c, 0x2c, 0x3b, 0];
    const gif = (...parts: readonly number[][]): Uint8Array =>
      Uint8Array.from([header, screen, ...parts, [0x3b]].flat());
    expect(frameCount(gif(frame))).toBe(1);
    expect(frameCount(gif(comment, frame, comment, own, frame))).toBe(3);
    expect(frameCount(gif(frame, own).subarray(0, 30))).toBe(1);
    expect(frameCount(Uint8Array.of(0x89, 0x50, 0x4e, 0x47))).toBe(1);
  });

  test("objects and background add up to the picture", () => {
    const half = { ...image, data: image.data.map((value, i) => (i % 4 === 3 && i < 12 ? 0 : value)) };
    const rest = without(image, half);
    for (let i = 3; i < 24; i += 4) {
      const [given, object, left] = [image.data[i] ?? 0, half.data[i] ?? 0, rest.data[i] ?? 0];
      expect(left + object).toBe(given);
    }
    expect(alphaBox(half)).toEqual({ x: 0, y: 1, width: 3, height: 1 });
    expect([...cropTo(image, { x: 1, y: 1, width: 2, height: 1 }).data]).toEqual([...image.data.slice(16, 24)]);
  });
});

test.each([
  ["white", [255, 255, 255]],
  ["teal", [0, 128, 128]],
] as const)("a product on a %s ground comes out without a halo, on black and on white", async (_, ground) => {
  const size = 120;
  const { image, alpha } = product(size, ground);
  const target = { name: "ring" } as never;
  const work = new Work(target, image, new EditorSession(image), settings);
  expect(work.removeFlatBackground()).toEqual([]);
  const { data } = together(work.cut());
  let [both, either, edge, error] = [0, 0, 0, 0];
  for (let i = 0; i < size * size; i++) {
    const got = (data[4 * i + 3] ?? 0) / 255;
    const want = alpha[i] ?? 0;
    both += Math.min(got, want);
    either += Math.max(got, want);
    if (want === 0 || want === 1) continue;
    edge += 6;
    for (const behind of [0, 255]) {
      for (const [c, red] of [196, 32, 48].entries()) {
        error += Math.abs(got * (data[4 * i + c] ?? 0) + (1 - got) * behind - (want * red + (1 - want) * behind));
      }
    }
  }
  expect(both / either).toBeGreaterThan(0.99);
  // Of 255, over the pixels of the edge alone.
  expect(error / edge).toBeLessThan(3);
});

test("curves follow the mask: drawn again they cover the same pixels", () => {
  const { alpha } = product(120, [255, 255, 255]);
  const mask = { width: 120, height: 120, data: Uint8Array.from(alpha, (share) => (share >= 0.5 ? 1 : 0)) };
  const curves = traceMask(mask);
  expect(curves).toHaveLength(2);
  const rings = curves.map((curve) => {
    const ring: number[] = [];
    let [x, y] = [curve[0] ?? 0, curve[1] ?? 0];
    for (let i = 2; i < curve.length; i += 6) {
      const [a, b, c, d, e, f] = curve.slice(i, i + 6) as [number, number, number, number, number, number];
      for (let t = 0.25; t <= 1; t += 0.25) {
        const s = 1 - t;
        ring.push(s ** 3 * x + 3 * s * s * t * a + 3 * s * t * t * c + t ** 3 * e);
        ring.push(s ** 3 * y + 3 * s * s * t * b + 3 * s * t * t * d + t ** 3 * f);
      }
      [x, y] = [e, f];
    }
    return ring;
  });
  const again = rasterise(rings, mask);
  const wrong = again.data.filter((value, i) => value !== mask.data[i]).length;
  expect(wrong / mask.data.filter(Boolean).length).toBeLessThan(0.015);
  expect(Math.max(...curves.map(({ length }) => length))).toBeLessThan(400);
});

test("each result asks the main thread for what its kind needs", async () => {
  const { image } = product(40, [255, 255, 255]);
  const session = new EditorSession(image);
  session.addObjects([{ mask: rasterise([[8, 8, 30, 8, 30, 30, 8, 30]], image), name: "box" }]);
  const objects = cutObjects(session, image, { settings: hard });
  const stored: number[] = [];
  for (const recipe of recipes) {
    const store = async (png: Uint8Array) => {
      const view = new DataView(png.buffer, png.byteOffset);
      stored.push(png[25] ?? -1);
      return { hash: String(stored.length), width: view.getUint32(16), height: view.getUint32(20) };
    };
    const output = await makeOutput({ recipe, image, objects, name: "photo", edit: "{}", weight: 2, store });
    const [object] = output.objects;
    expect(output.kind).toBe(recipe.kind ?? "copy");
    expect(object?.curves === null, recipe.id).toBe(!recipe.vector && !recipe.outline);
    expect(object?.region, recipe.id).toEqual(recipe.kind === "trimmed" ? { x: 8, y: 8, width: 22, height: 22 } : null);
    expect(output.outline === null, recipe.id).toBe(!recipe.outline);
    if (recipe.kind === "mask-group" && !recipe.vector) expect(stored.at(-1), recipe.id).toBe(4);
  }
});

test("a mask does not fade a second time what is partly transparent in the picture", async () => {
  const size = 24;
  const image: RawImage = { width: size, height: size, channels: 4, data: new Uint8Array(4 * size * size).fill(100) };
  const session = new EditorSession(image);
  session.addObjects([{ mask: rasterise([[4, 4, 20, 4, 20, 20, 4, 20]], image) }]);
  const objects = cutObjects(session, image, { settings: hard });
  expect(objects[0]?.image.data[4 * (12 * size + 12) + 3]).toBe(100);
  for (const [id, within, around] of [
    ["mask-group", 255, 0],
    ["background", 0, 255],
    ["sticker", 255, 0],
  ] as const) {
    const stored: Uint8Array[] = [];
    const store = async (png: Uint8Array) => ({ hash: String(stored.push(png)), width: size, height: size });
    const recipe = recipes.find((one) => one.id === id) as (typeof recipes)[number];
    const output = await makeOutput({ recipe, image, objects, name: "glass", edit: "{}", weight: 2, store });
    const { data } = samplesOf(stored[0] as Uint8Array);
    expect([data[2 * (12 * size + 12) + 1], data[2 * (size + 1) + 1]], id).toEqual([within, around]);
    if (id === "sticker") expect(output.objects[0]?.curves).toHaveLength(1);
  }
});

test("a call takes its own answer and no stranger's", async () => {
  const listeners: ((event: { data: unknown; source: unknown }) => void)[] = [];
  const sent: { pluginMessage: { id: number } }[] = [];
  const parent = { postMessage: (message: (typeof sent)[number]) => sent.push(message) } as unknown as Window;
  const self = {
    addEventListener: (_: string, listener: (typeof listeners)[number]) => listeners.push(listener),
  } as unknown as Window;
  const channel = new Channel({ parent, self, onSelection: () => undefined });
  const call = channel.call("picture", { hash: "x" });
  const id = sent[0]?.pluginMessage.id;
  const say = (result: unknown, source: unknown, version = 1): void => {
    for (const listener of listeners) listener({ data: { pluginMessage: { masklet: version, id, result } }, source });
  };
  say("stranger's", {});
  say("another version's", parent, 2);
  say("ours", parent);
  expect(await call).toBe("ours");
  const refused = channel.call("picture", { hash: "x" });
  for (const listener of listeners) {
    listener({
      data: {
        pluginMessage: { masklet: 1, id: sent[1]?.pluginMessage.id, error: { code: "image-missing", message: "gone" } },
      },
      source: parent,
    });
  }
  await expect(refused).rejects.toMatchObject({ name: "PluginError", code: "image-missing", message: "gone" });
});
