import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  decodeRle,
  encodePng,
  type Mask,
  maskArea,
  type RawImage,
  rasterise,
  readImage,
  readMask,
} from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { describe, expect, test } from "vitest";
import type { Annotation, ImageRecord } from "../src/segment/record.ts";
import { version } from "../src/version.ts";
import { cli, filesIn, type RunResult, records, scene, temporaryFolder } from "./cli.ts";

const square = "45,35,224,209";
const nano = ["--model", "nano"] as const;
const folder = temporaryFolder();
const at = (...names: readonly string[]): string => join(folder, ...names);

function segment(...args: readonly string[]): Promise<RunResult> {
  return cli(["segment", ...args, ...nano]);
}

const readRecord = (path: string): ImageRecord => JSON.parse(readFileSync(path, "utf8")) as ImageRecord;

function only<T>(list: readonly T[]): T {
  expect(list).toHaveLength(1);
  return list[0] as T;
}

const masksOf = (record: ImageRecord): readonly Mask[] =>
  record.annotations.map(({ segmentation }) => decodeRle(segmentation));

function iou(a: Mask, b: Mask): number {
  const both = a.data.reduce((sum, value, i) => sum + (value & (b.data[i] ?? 0)), 0);
  return both / (maskArea(a) + maskArea(b) - both);
}

describe("one object, all formats", () => {
  const out = at("one");
  const done = segment(scene, "--box", square, "--format", "cutout,mask,overlay,json,svg", "-o", out);
  const record = done.then(() => readRecord(join(out, "scene.json")));

  test("the files, listed on standard output", async () => {
    const { code, stdout, stderr } = await done;
    const names = ["cutout.png", "mask.png", "overlay.png", "json", "svg"].map((ending) => `scene.${ending}`);
    expect(stdout.toString()).toBe(names.map((name) => `${join(out, name)}\n`).join(""));
    expect(stderr).toMatch(/^[^\n]*scene\.png: object 1: [^\n]*\n$/); // no terminal, no progress
    expect(code).toBe(0);
    expect(filesIn(out)).toEqual(names.sort());
  });

  test("the record", async () => {
    const { image, annotations, model, version: maker } = await record;
    expect(image).toEqual({ file_name: "scene.png", width: 640, height: 640 });
    expect(maker).toBe(version);
    const sha256 = createHash("sha256").update(readFileSync(nanoModel.checkpoint)).digest("hex");
    expect(model).toEqual({ name: "sam2.1-hiera-nano", sha256 });
    const annotation = only(annotations);
    const mask = decodeRle(annotation.segmentation);
    expect(annotation).toMatchObject({ id: 1, area: maskArea(mask), prompt: { box: [45, 35, 224, 209] } });
    const [x, y, width, height] = annotation.bbox;
    for (const [got, expected] of [
      [x, 45],
      [y, 35],
      [x + width, 224],
      [y + height, 209],
    ] as const) {
      expect(Math.abs(got - expected)).toBeLessThanOrEqual(8);
    }
    expect(annotation.predicted_iou).toBeGreaterThan(0.9);
    expect(annotation.stability_score).toBeGreaterThan(0.9);
    expect(annotation.object_score).toBeGreaterThan(0);
  });

  test("the mask is 8 bits of grey, 0 or 255, and the record's", async () => {
    const png = readFileSync(join(out, "scene.mask.png"));
    expect([png[24], png[25]]).toEqual([8, 0]); // bit depth and colour type in IHDR
    const values = new Set((await readImage(png)).data);
    expect(values).toEqual(new Set([0, 255]));
    expect(await readMask(png)).toEqual(only(masksOf(await record)));
  });

  test("the cutout is the image inside and nothing outside", async () => {
    const [picture, cut, mask] = [
      await readImage(scene),
      await readImage(join(out, "scene.cutout.png")),
      only(masksOf(await record)),
    ];
    expect(cut).toMatchObject({ width: 640, height: 640, channels: 4 });
    for (const [i, inside] of mask.data.entries()) {
      const rgb = [...picture.data.subarray(i * picture.channels, i * picture.channels + 3)];
      const expected = inside === 1 ? [...rgb, 255] : [0, 0, 0, 0];
      if (expected.some((value, c) => cut.data[i * 4 + c] !== value)) expect.fail(`pixel ${i}`);
    }
  });

  test("the overlay differs from the image where the object is, and around it alone", async () => {
    const [picture, painted, mask] = [
      await readImage(scene),
      await readImage(join(out, "scene.overlay.png")),
      only(masksOf(await record)),
    ];
    expect(painted).toMatchObject({ width: 640, height: 640 });
    const changed = (i: number): boolean =>
      [0, 1, 2].some((c) => picture.data[i * picture.channels + c] !== painted.data[i * painted.channels + c]);
    expect([changed(121 * 640 + 130), changed(600 * 640 + 600)]).toEqual([true, false]);
    const inside = [...mask.data.keys()].filter((i) => mask.data[i] === 1);
    expect(inside.filter(changed).length / inside.length).toBeGreaterThan(0.98);
  });

  test("the SVG draws the mask exactly", async () => {
    const svg = readFileSync(join(out, "scene.svg"), "utf8");
    const path = only([...svg.matchAll(/<path id="1" [^>]*d="([^"]*)"/g)].map(([, d]) => d as string));
    expect(rasterise(ringsOf(path), { width: 640, height: 640 })).toEqual(only(masksOf(await record)));
  });
});

test.skipIf(!existsSync("/proc/self/io"))(
  "a checkpoint is read for its weights and for its hash, and not once more (Linux: /proc)",
  async () => {
    const read = (): number => Number(/rchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
    const line = [scene, "--box", square, "--json", "-q"];
    await segment(...line); // modules and the backend's own files are read by the first
    const before = read();
    expect((await segment(...line)).code).toBe(0);
    expect(read() - before).toBeLessThan(2.5 * statSync(nanoModel.checkpoint).size);
  },
);

/** The rings of a path of M, h, v, l and z. */
function ringsOf(path: string): readonly (readonly number[])[] {
  return [...path.matchAll(/M(\d+) (\d+)([^z]*)z/g)].map(([, startX, startY, steps = ""]) => {
    let [x, y] = [Number(startX), Number(startY)];
    const ring = [x, y];
    for (const [, command, a, b] of steps.matchAll(/([hvl])(-?\d+)(?: (-?\d+))?/g)) {
      x += command === "v" ? 0 : Number(a);
      y += command === "v" ? Number(a) : Number(b ?? 0);
      ring.push(x, y);
    }
    return ring;
  });
}

test("several objects: a cutout and a mask each, the rest together; ids are the user's", async () => {
  const out = at("several");
  const prompts = ["--box", `${square}#sign`, "--point", "559,211", "--point", "130,121,-#sign"];
  const { code } = await segment(scene, ...prompts, "--format", "cutout,mask,overlay,svg,json", "-o", out);
  expect(code).toBe(0);
  expect(filesIn(out)).toEqual([
    ...["scene.1.cutout.png", "scene.1.mask.png", "scene.json", "scene.overlay.png"],
    ...["scene.sign.cutout.png", "scene.sign.mask.png", "scene.svg"],
  ]);
  const record = readRecord(join(out, "scene.json"));
  expect(record.annotations.map(({ id, prompt }) => ({ id, prompt }))).toEqual([
    { id: "sign", prompt: { points: [[130, 121]], labels: [0], box: [45, 35, 224, 209] } },
    { id: 1, prompt: { points: [[559, 211]], labels: [1] } },
  ]);
  for (const [i, id] of ["sign", "1"].entries()) {
    expect(await readMask(join(out, `scene.${id}.mask.png`))).toEqual(masksOf(record)[i]);
  }
  expect(readFileSync(join(out, "scene.svg"), "utf8").match(/<path id="[^"]*"/g)).toEqual([
    '<path id="sign"',
    '<path id="1"',
  ]);
});

test("--multimask: three masks, the overlay shows the best", async () => {
  const out = at("multi");
  const { code } = await segment(
    scene,
    "--point",
    "130,121",
    "--multimask",
    "--format",
    "mask,json,overlay",
    "-o",
    out,
  );
  expect(code).toBe(0);
  expect(filesIn(out)).toEqual([1, 2, 3].map((k) => `scene.1.${k}.mask.png`).concat("scene.json", "scene.overlay.png"));
  const record = readRecord(join(out, "scene.json"));
  expect(record.annotations.map(({ id, multimask }) => [id, multimask])).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
  ]);
  for (const [i, mask] of masksOf(record).entries()) {
    expect(await readMask(join(out, `scene.1.${i + 1}.mask.png`))).toEqual(mask);
  }
});

test("--json: a record a line on standard output, and no file unless asked for", async () => {
  const before = filesIn(folder);
  const second = at("second.png");
  copyFileSync(scene, second);
  const result = await segment(scene, second, "--box", square, "--json");
  expect(result.code).toBe(0);
  const [a, b] = records(result);
  expect([a?.image.file_name, b?.image.file_name]).toEqual(["scene.png", "second.png"]);
  expect(a?.annotations).toEqual(b?.annotations);
  expect(filesIn(folder)).toEqual([...before, "second.png"].sort());

  const both = await segment(scene, "--box", square, "--json", "--format", "json", "-o", at("both"));
  expect(only(records(both))).toEqual(readRecord(at("both", "scene.json")));
});

test("standard input to standard output", async () => {
  const stdin = readFileSync(scene);
  const mask = await cli(["segment", "-", "--box", square, "-o", "-", "--format", "mask", ...nano], { stdin });
  expect(mask.code).toBe(0);
  const record = await cli(["segment", "-", "--box", square, "-o", "-", "--format", "json", ...nano], { stdin });
  const parsed = JSON.parse(record.stdout.toString()) as ImageRecord;
  expect(parsed.image.file_name).toBe("-");
  expect(await readMask(mask.stdout)).toEqual(only(masksOf(parsed)));

  const named = await cli(["segment", "-", "--box", square, "--format", "mask", "-o", at("stdin"), ...nano], { stdin });
  expect(named.code).toBe(0);
  expect(filesIn(at("stdin"))).toEqual(["stdin.mask.png"]);
});

describe("prompts", () => {
  const annotation = async (...args: readonly string[]): Promise<Annotation> => {
    const result = await segment(scene, ...args, "--json");
    expect(result.stderr).toBe("");
    return only(only(records(result)).annotations);
  };

  test("percents are of the image's size", async () => {
    const { id: _, ...percents } = await annotation("--box", "7.5%,10%,35%,205");
    expect(percents).toEqual((({ id: __, ...rest }) => rest)(await annotation("--box", "48,64,224,205")));
  });

  test("--mask starts from a mask, alone and with a point", async () => {
    const { segmentation } = await annotation("--box", square);
    const mask = decodeRle(segmentation);
    const path = at("start.png");
    writeFileSync(path, await encodePng(whiteOnBlack(mask)));
    const alone = await annotation("--mask", path);
    expect(alone.prompt).toEqual({ mask: path });
    expect(iou(decodeRle(alone.segmentation), mask)).toBeGreaterThan(0.9);
    const corrected = await annotation("--mask", `${path}#1`, "--point", "130,121#1");
    expect(corrected.prompt).toEqual({ points: [[130, 121]], labels: [1], mask: path });
    expect(iou(decodeRle(corrected.segmentation), mask)).toBeGreaterThan(0.9);
  });

  test("--refine, --mask-threshold and the areas reach the model", async () => {
    const plain = await annotation("--point", "591,456");
    for (const option of [
      ["--refine", "3"],
      ["--mask-threshold", "2"],
      ["--max-hole-area=50", "--max-speck-area=50"],
    ]) {
      expect((await annotation("--point", "591,456", ...option)).segmentation, option.join(" ")).not.toEqual(
        plain.segmentation,
      );
    }
    const higher = await annotation("--point", "591,456", "--mask-threshold", "2");
    expect(higher.area).toBeLessThan(plain.area);
  });
});

function whiteOnBlack({ width, height, data }: Mask): RawImage {
  return {
    width,
    height,
    channels: 3,
    data: Uint8Array.from({ length: data.length * 3 }, (_, i) => (data[Math.floor(i / 3)] === 1 ? 255 : 0)),
  };
}

test("--crop, --padding, --feather and --webp shape the cutout", async () => {
  const out = at("cropped");
  const json = await segment(
    scene,
    "--box",
    square,
    "--crop",
    "--padding",
    "5",
    "--webp",
    "--format",
    "cutout",
    "--json",
    "-o",
    out,
  );
  const [, , width, height] = only(only(records(json)).annotations).bbox;
  const bytes = readFileSync(join(out, "scene.cutout.webp"));
  expect(bytes.subarray(8, 12).toString()).toBe("WEBP");
  expect(await readImage(bytes)).toMatchObject({ width: width + 10, height: height + 10, channels: 4 });
  await segment(scene, "--box", square, "--feather", "4", "--format", "cutout", "-o", out);
  const { data } = await readImage(join(out, "scene.cutout.png"));
  expect(new Set(data.filter((_, i) => i % 4 === 3)).size).toBeGreaterThan(10);
});

describe("inputs that fail", () => {
  const bad = at("bad");
  mkdirSync(join(bad, "none"), { recursive: true });
  const file = (name: string, bytes: Uint8Array | string): string => {
    writeFileSync(join(bad, name), bytes);
    return join(bad, name);
  };
  const png = readFileSync(scene);
  const cases = [
    ["missing", join(bad, "missing.png"), "image-not-found"],
    ["empty", file("empty.png", ""), "image-format"],
    ["text", file("text.png", "not an image"), "image-format"],
    ["cut off", file("cut.png", png.subarray(0, png.length >> 1)), "image-corrupt"],
    ["a folder without images", join(bad, "none"), "image-not-found"],
  ] as const;

  test.each(cases)("%s: its own message and code, nothing written, exit code 1", async (name, path, code) => {
    const out = at(`failed ${name}`);
    const result = await segment(path, "--box", square, "-o", out);
    expect(result.stderr).toMatch(new RegExp(`^masklet segment: .*\\[${code}\\]\\n$`));
    expect(result.stderr).toContain(path);
    expect([result.code, result.stdout.length, filesIn(out)]).toEqual([1, 0, []]);
  });

  test("the others are segmented all the same: exit code 3", async () => {
    const out = at("some");
    const result = await segment(
      ...cases.map(([, path]) => path),
      scene,
      "--box",
      square,
      "--format",
      "mask",
      "-o",
      out,
    );
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(cases.length + 1); // what was found in the other
    expect([result.code, filesIn(out)]).toEqual([3, ["scene.mask.png"]]);
  });

  test.each([
    ["--point 900,10", "out-of-image"],
    ["--box 700,700,800,800", "out-of-image"],
    ["--box 50%,10,20,40", "bad-box"],
    [`--mask ${join(bad, "none.png")}`, "image-not-found"],
    [`--mask ${join(bad, "small.png")}`, "mask-size-mismatch"],
  ])("%s", async (prompt, code) => {
    file("small.png", await encodePng({ width: 4, height: 4, channels: 3, data: new Uint8Array(48).fill(255, 0, 24) }));
    const result = await segment(scene, ...prompt.split(" "), "--json");
    expect([result.code, result.stdout.length]).toEqual([1, 0]);
    expect(result.stderr).toContain(`[${code}]`);
  });

  test("an empty mask cannot be cropped to: nothing of this image is written", async () => {
    const out = at("empty");
    const result = await segment(scene, "--box", `${square}#sign`, "--mask-threshold", "1000", "--crop", "-o", out);
    expect(result.stderr).toMatch(/object sign: .*\[empty-mask\]/);
    expect([result.code, filesIn(out)]).toEqual([1, []]);
  });

  test("a 1x1 and a 1x2000 image work", async () => {
    for (const [width, height] of [
      [1, 1],
      [1, 2000],
    ] as const) {
      const path = file(
        `${width}x${height}.png`,
        await encodePng({ width, height, channels: 3, data: new Uint8Array(width * height * 3) }),
      );
      const result = await segment(path, "--point", "50%,50%", "--json", "-o", at("tiny"));
      expect([result.code, result.stderr]).toEqual([0, ""]);
      expect(only(records(result)).image).toMatchObject({ width, height });
    }
  });
});

describe("where results go", () => {
  test("a folder in folders that are not there yet", async () => {
    const out = at("new", "er", "est");
    expect((await segment(scene, "--box", square, "--format", "json", "-o", out)).code).toBe(0);
    expect(filesIn(out)).toEqual(["scene.json"]);
  });

  test.each([
    ["a file", scene],
    ["a folder in a file", join(scene, "out")],
  ])("%s: told before any image is read", async (_, out) => {
    const result = await segment(at("not there.png"), "--box", square, "-o", out);
    expect(result.stderr).toMatch(/cannot write to the folder .*\[write-failed\]\n$/);
    expect(result.stderr).not.toContain("image-not-found");
    expect(result.code).toBe(1);
  });

  test("a result that cannot be replaced: the others of the image stay whole, the failure is told", async () => {
    const out = at("taken");
    mkdirSync(join(out, "scene.mask.png"), { recursive: true }); // a folder where the mask should go
    const result = await segment(scene, "--box", square, "--format", "json,mask", "-o", out);
    expect(result.stderr).toContain("[write-failed]");
    expect([result.code, filesIn(out)]).toEqual([1, ["scene.json", "scene.mask.png"]]);
    expect(filesIn(join(out, "scene.mask.png"))).toEqual([]);
  });
});

describe("which model", () => {
  const look = (env: Readonly<Record<string, string>>, ...more: readonly string[]): Promise<RunResult> =>
    cli(["segment", scene, "--box", square, "--json", ...more], { env });

  test("nano where nothing is cached: with the command that fetches a real one, once a day", async () => {
    const env = { HF_HUB_CACHE: at("none"), XDG_CONFIG_HOME: at("fresh") };
    const first = await look(env);
    expect(first.stderr).toMatch(/^masklet: the model is nano.*rough.*masklet models pull sam2\.1-hiera-tiny\n$/);
    expect(only(records(first)).model.name).toBe("sam2.1-hiera-nano");
    const second = await look(env);
    expect(second.stderr).toBe("masklet: the model is nano\n");
    const settings = join(at("fresh"), "masklet", "settings.json");
    expect(JSON.parse(readFileSync(settings, "utf8"))).toEqual({
      roughNoted: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    });
  });

  test("nano without a word where that is asked for", async () => {
    const env = { HF_HUB_CACHE: at("none"), XDG_CONFIG_HOME: at("silent") };
    for (const [variables, ...more] of [
      [env, "--quiet"],
      [env, "--offline"],
      [env, "--model", "nano"],
      [{ ...env, HF_HUB_OFFLINE: "1" }],
    ] as const) {
      const result = await look(variables, ...more);
      expect([result.code, result.stderr, only(records(result)).model.name]).toEqual([0, "", "sam2.1-hiera-nano"]);
    }
    expect(existsSync(at("silent"))).toBe(false);
  });

  test("else the best that is cached, or the one that was chosen, said by its name", async () => {
    // Meta's are not here, so nano plays them under their names: what the cache holds is what counts.
    for (const name of ["small", "large"]) {
      const snapshot = at("hub", `models--facebook--sam2.1-hiera-${name}`, "snapshots", "abc");
      mkdirSync(snapshot, { recursive: true });
      copyFileSync(fileURLToPath(nanoModel.checkpoint), join(snapshot, "model.safetensors"));
      const config = JSON.parse(readFileSync(nanoModel.config, "utf8")) as object;
      writeFileSync(join(snapshot, "config.json"), JSON.stringify({ ...config, name: `cached ${name}` }));
    }
    const env = { HF_HUB_CACHE: at("hub"), XDG_CONFIG_HOME: at("chosen") };
    const best = await look(env);
    expect(best.stderr).toBe("masklet: the model is sam2.1-hiera-large, the best that is here\n");
    expect(only(records(best)).model.name).toBe("cached large");
    expect((await cli(["models", "use", "sam2.1-hiera-small"], { env })).code).toBe(0);
    const chosen = await look(env, "--model", "auto");
    expect(chosen.stderr).toBe('masklet: the model is sam2.1-hiera-small, as chosen with "masklet models use"\n');
    expect(only(records(chosen)).model.name).toBe("cached small");
    expect((await look(env, "--quiet")).stderr).toBe("");
  });

  test("a file, with a config that is given", async () => {
    const checkpoint = at("weights.safetensors");
    copyFileSync(fileURLToPath(nanoModel.checkpoint), checkpoint);
    const args = ["segment", scene, "--box", square, "--json", "--model", checkpoint];
    const without = await cli(args);
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining("[config-missing]")]);
    expect((await cli([...args, "--config", fileURLToPath(nanoModel.config)])).code).toBe(0);
  });
});

test("on a terminal: progress on one line, and what was found", async () => {
  const { stdout, stderr, code } = await cli(
    ["segment", scene, "--box", square, "--format", "json", "-o", at("tty"), ...nano],
    { terminal: true },
  );
  expect(stderr).toContain("\r\x1b[2Kloading nano: imageEncoder ");
  expect(stderr).toMatch(/scene\.png: object 1: \d+ pixels, predicted IoU 0\.9\d\n$/);
  expect([code, stdout.toString()]).toEqual([0, `${join(at("tty"), "scene.json")}\n`]);
});

test("interrupted after the first image: 130, what was written is whole, nothing else is there", async () => {
  const out = at("interrupted");
  const second = at("after.png");
  copyFileSync(scene, second);
  const interruption = new AbortController();
  const { code, stderr } = await cli(
    ["segment", scene, second, "--box", square, "--format", "mask,json", "-o", out, ...nano],
    {
      signal: interruption.signal,
      onStdout: () => interruption.abort(),
    },
  );
  expect([code, stderr]).toEqual([130, expect.not.stringContaining("masklet")]);
  expect(filesIn(out)).toEqual(["scene.mask.png"]);
  expect((await readMask(join(out, "scene.mask.png"))).width).toBe(640);
});

test("interrupted while waiting for standard input", async () => {
  const interruption = new AbortController();
  setTimeout(() => interruption.abort(), 300);
  const { code } = await cli(["segment", "-", "--box", square, "--json", ...nano], { signal: interruption.signal });
  expect(code).toBe(130);
});
