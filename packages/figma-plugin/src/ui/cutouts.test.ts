/**
 * How good cutouts are: product shots that are drawn here, whose true alpha and colours are known, and the pictures beside
 * the repository, where there are any. What was measured is printed.
 *
 * IoU is of alphas. The halo is the mean error of the colour, of 255, over the pixels that are partly covered, once the
 * cutout lies on black and once on white, against the true object there.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createOrtBackend } from "@masklet/backend-ort/node";
import {
  AutomaticSubjectFinder,
  cutFromFlatBackground,
  ImagePredictor,
  loadSam2,
  type MaskLogits,
  outlineSubject,
  type RawImage,
} from "@masklet/core";
import { resizeBilinear } from "@masklet/core/backend";
import { parseConfig, readImage } from "@masklet/core/node";
import { EditorSession } from "@masklet/editor";
import { nanoModel } from "@masklet/model-nano";
import { expect, test } from "vitest";
import { isDrawing } from "./pictures.ts";
import { type CutOptions, cutObjects, maskOfAlpha, together } from "./results.ts";
import { Work } from "./work.ts";

type Rgb = readonly [number, number, number];

interface Shot {
  readonly image: RawImage;
  readonly alpha: Float32Array;
  readonly colour: Rgb;
}

const side = 240;

/** What share of a pixel a shape covers, from the middle, in halves of the picture. */
const shapes: Readonly<Record<string, (x: number, y: number) => boolean>> = {
  disk: (x, y) => Math.hypot(x, y) < 0.7,
  ring: (x, y) => Math.hypot(x, y) < 0.8 && Math.hypot(x, y) > 0.35,
  bottle: (x, y) => Math.abs(x) < (y < -0.4 ? 0.12 : 0.3) && Math.abs(y) < 0.85,
  comb: (x, y) => Math.abs(x) < 0.8 && Math.abs(y) < 0.6 && (y < -0.2 || Math.floor((x + 0.13 * y + 1) * 20) % 2 === 0),
};

/** A ball with sixty strands, each running to a point. */
function fur(x: number, y: number): boolean {
  const far = Math.hypot(x, y);
  const turn = (30 * Math.atan2(y, x)) / Math.PI + 2 * far;
  const strand = Math.floor(turn);
  const length = 0.14 + 0.06 * Math.sin(12.9898 * strand);
  const width = 0.014 * (1 - (far - 0.5) / length);
  return far < 0.5 || (Math.abs(turn - strand - 0.5) * far * Math.PI) / 30 < width;
}

function shot(inside: (x: number, y: number) => boolean, colour: Rgb, ground: Rgb): Shot {
  const alpha = new Float32Array(side * side);
  const data = new Uint8Array(3 * side * side);
  for (let i = 0; i < alpha.length; i++) {
    let hits = 0;
    for (let s = 0; s < 64; s++) {
      const x = (i % side) + ((s % 8) + 0.5) / 8;
      const y = Math.floor(i / side) + (Math.floor(s / 8) + 0.5) / 8;
      if (inside((2 * x) / side - 1, (2 * y) / side - 1)) hits++;
    }
    alpha[i] = hits / 64;
    for (let c = 0; c < 3; c++) {
      data[3 * i + c] = Math.round(
        (alpha[i] as number) * (colour[c] as number) + (1 - (alpha[i] as number)) * (ground[c] as number),
      );
    }
  }
  return { image: { width: side, height: side, channels: 3, data }, alpha, colour };
}

function judge({ alpha, colour }: Shot, { data }: RawImage): { iou: number; halo: readonly [number, number] } {
  let [both, either, edge] = [0, 0, 0];
  const error: [number, number] = [0, 0];
  for (let i = 0; i < alpha.length; i++) {
    const got = (data[4 * i + 3] as number) / 255;
    const want = alpha[i] as number;
    both += Math.min(got, want);
    either += Math.max(got, want);
    if (want === 0 || want === 1) continue;
    edge += 3;
    for (const [k, behind] of [0, 255].entries()) {
      for (let c = 0; c < 3; c++) {
        const shown = got * (data[4 * i + c] as number) + (1 - got) * behind;
        error[k as 0 | 1] += Math.abs(shown - (want * (colour[c] as number) + (1 - want) * behind));
      }
    }
  }
  return { iou: both / either, halo: [error[0] / edge, error[1] / edge] };
}

const settings = { feather: 1, decontaminate: 2, hair: false, outline: "medium" } as const;

const grounds: readonly (readonly [string, Rgb])[] = [
  ["white", [255, 255, 255]],
  ["grey", [128, 128, 128]],
  ["teal", [0, 128, 128]],
];
const say = (name: string, { iou, halo: [black, white] }: ReturnType<typeof judge>): void =>
  void process.stdout.write(
    `${name}: IoU ${iou.toFixed(3)}, halo ${black.toFixed(1)} on black, ${white.toFixed(1)} on white\n`,
  );

test.each(Object.keys(shapes).flatMap((shape) => grounds.map(([name, ground]) => [shape, name, ground] as const)))(
  "a %s on %s",
  (shape, name, ground) => {
    const made = shot(shapes[shape] as typeof fur, [196, 32, 48], ground);
    const work = new Work({ name: shape } as never, made.image, new EditorSession(made.image), settings);
    expect(work.removeFlatBackground()).toEqual([]);
    const flat = judge(made, together(work.cut()));
    say(`${shape} on ${name}, by colour`, flat);
    expect(flat.iou).toBeGreaterThan(0.99);
    expect(Math.max(...flat.halo)).toBeLessThan(4);

    // The best hard mask there is, as a perfect click would give it: what the edge settings make of it.
    const rgba = new Uint8Array(4 * made.alpha.length);
    for (const [i, share] of made.alpha.entries()) rgba[4 * i + 3] = Math.round(255 * share);
    const session = new EditorSession(made.image);
    session.addObjects([{ mask: maskOfAlpha({ width: side, height: side, channels: 4, data: rgba }) }]);
    const cut = (how: CutOptions["settings"]): RawImage => together(cutObjects(session, made.image, { settings: how }));
    const cleaned = judge(made, cut(settings));
    const raw = judge(made, cut({ ...settings, feather: 0, decontaminate: 0 }));
    say(`${shape} on ${name}, by a mask`, cleaned);
    say(`${shape} on ${name}, by a mask as it is`, raw);
    expect(Math.max(...cleaned.halo)).toBeLessThan(Math.max(...raw.halo));
  },
);

/** What a model would think: the share of the object around each of 60 x 60 cells, as a logit. */
function logitsOf({ alpha }: Shot): MaskLogits {
  const cells = side / 4;
  const data = new Float32Array(cells * cells);
  for (let i = 0; i < data.length; i++) {
    const [left, top] = [4 * (i % cells), 4 * Math.floor(i / cells)];
    let [sum, count] = [0, 0];
    for (let y = Math.max(0, top - 3); y < Math.min(side, top + 7); y++) {
      for (let x = Math.max(0, left - 3); x < Math.min(side, left + 7); x++, count++)
        sum += alpha[y * side + x] as number;
    }
    const share = (sum + 0.01) / (count + 0.02);
    data[i] = 2 * Math.log(share / (1 - share));
  }
  return { width: cells, height: cells, data };
}

test.each(grounds)("fur on %s is partly transparent, as it was drawn", (name, ground) => {
  const made = shot(fur, [96, 64, 32], ground);
  const logits = logitsOf(made);
  const session = new EditorSession(made.image);
  const mask = resizeBilinear(logits.data, logits, made.image).map((logit) => Number(logit > 0));
  session.addObjects([{ mask: { width: side, height: side, data: Uint8Array.from(mask) } }]);
  const cut = (how: Partial<CutOptions>): RawImage =>
    together(cutObjects(session, made.image, { settings: { ...settings, hair: true }, ...how }));
  const cuts = {
    "a hard mask": cut({ settings: { ...settings, feather: 0, decontaminate: 0 } }),
    "the edge settings": cut({ settings }),
    "its mask alone": cut({}),
    "the model's logits": cut({ logits: () => logits }),
  };
  const band = [...made.alpha.keys()].filter((i) => {
    const far = (2 * Math.hypot((i % side) + 0.5 - side / 2, Math.floor(i / side) + 0.5 - side / 2)) / side;
    return far > 0.42 && far < 0.75;
  });
  const errors = Object.values(cuts).map(({ data }) => {
    const sum = band.reduce(
      (all, i) => all + Math.abs((data[4 * i + 3] as number) / 255 - (made.alpha[i] as number)),
      0,
    );
    return sum / band.length;
  });
  for (const [i, [how, image]] of Object.entries(cuts).entries()) {
    say(`fur on ${name}, by ${how}: mean error of alpha ${errors[i]?.toFixed(3)}`, judge(made, image));
  }
  const [hard = 0, edged = 0, alone = 0, thought = 0] = errors;
  expect(Math.min(hard, edged)).toBeGreaterThan(0.1);
  expect(alone).toBeLessThan(0.03);
  expect(thought).toBeLessThan(0.02);
});

const media = join(import.meta.dirname, "../../../../../shared/media");

test.skipIf(!existsSync(media))("with nano alone photographs are left to better models (needs the media)", async () => {
  for (const name of ["truck.png", "groceries.png", "bedroom/00000.jpg", "clip/00000.png"]) {
    const image = await readImage(join(media, name));
    expect(isDrawing(image), name).toBe(false);
    expect(cutFromFlatBackground(image), name).toBeUndefined();
  }
  expect(isDrawing(await readImage(join(media, "scene.png")))).toBe(true);
});

test.skipIf(!existsSync(media))(
  "nano finds an object of the drawn scene, and says that there are others (needs the media)",
  async () => {
    const backend = await createOrtBackend();
    const config = parseConfig(JSON.parse(readFileSync(nanoModel.config, "utf8")));
    const model = await loadSam2(new Uint8Array(readFileSync(nanoModel.checkpoint)), { backend, config });
    const image = await readImage(join(media, "scene.png"));
    const found = await new AutomaticSubjectFinder(model).find(image);
    await using predictor = new ImagePredictor(model);
    await predictor.setImage(image);
    const { mask, unsure } = await outlineSubject(predictor, found, { imageSize: config.imageSize });
    // The drawn object that it overlaps most.
    const labels = await readImage(join(media, "scene.labels.png"));
    const counts = new Map<number, { both: number; all: number }>();
    let area = 0;
    for (let i = 0; i < mask.data.length; i++) {
      const id = labels.data[i * labels.channels] as number;
      const counted = counts.get(id) ?? { both: 0, all: 0 };
      counted.all++;
      if (mask.data[i] === 1) {
        counted.both++;
        area++;
      }
      counts.set(id, counted);
    }
    const ious = [...counts].filter(([id]) => id !== 0).map(([, { both, all }]) => both / (area + all - both));
    process.stdout.write(
      `scene, nano: IoU ${Math.max(...ious).toFixed(3)} with the nearest object, unsure: ${unsure}\n`,
    );
    // A wrong or unsure subject is never taken without a word.
    expect(Math.max(...ious) > 0.7 || unsure.length > 0).toBe(true);
    await model.dispose();
    await backend.dispose();
  },
  60_000,
);
