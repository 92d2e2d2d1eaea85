/** Readers meet broken files: whatever comes, they end soon, with labels or with an error that is theirs. */
import process from "node:process";
import { bytesSource, MaskletError } from "@masklet/core";
import { CocoFile, filesOf, readLabels, type WriteFormat, writeLabels } from "@masklet/labels";
import { expect, test } from "vitest";
import { randomDataset } from "./datasets.ts";
import { csvOf, jsonMin } from "./flat.ts";
import { random } from "./random.ts";

/** Mutations of each format: of all inputs, as `core/test/fuzz.ts` counts them; MASKLET_SLOW=1 is 10^5 over all formats. */
const share = 0.0012;
const tries = Math.ceil(
  share * Number(process.env["MASKLET_FUZZ"] ?? (process.env["MASKLET_SLOW"] === "1" ? 6e6 : 1e5)),
);

const pieces = [
  "0",
  "-1",
  "9",
  "99999999999",
  "1e9",
  "NaN",
  "null",
  '"',
  "[",
  "]",
  "{",
  "}",
  ",",
  "<",
  ">",
  "/>",
  "&x;",
  "\n",
  " ",
  ".",
  "\u00ff",
  "b'",
];

/** What a mutation may take besides four times its files: compressed maps of such small pictures are larger unpacked. */
const small = 2 ** 16;

/** The bytes with a few places changed, doubled, cut out or filled with what may hurt. */
function mutated(bytes: Uint8Array, next: () => number): Uint8Array {
  let out = bytes.slice();
  for (let n = 1 + Math.floor(next() * 3); n > 0; n--) {
    const at = Math.floor(next() * (out.length + 1));
    const length = Math.floor(next() ** 3 * 40);
    const kind = next();
    const head = out.subarray(0, at);
    const tail = out.subarray(Math.min(out.length, at + (kind < 0.4 ? length : 0)));
    const middle =
      kind < 0.2
        ? new Uint8Array(0)
        : kind < 0.6
          ? new TextEncoder().encode(pieces[Math.floor(next() * pieces.length)])
          : kind < 0.8
            ? out.slice(at, at + length)
            : Uint8Array.of(Math.floor(next() * 256));
    out = Uint8Array.from([...head, ...middle, ...tail]);
  }
  return next() < 0.05 ? out.subarray(0, Math.floor(next() * out.length)) : out;
}

interface Fuzzed {
  readonly format: WriteFormat;
  readonly video?: boolean;
  /** What it is called, and made of the format's file, where that is another's. */
  readonly as?: readonly [name: string, made: (bytes: Uint8Array) => Uint8Array];
}

const formats: readonly Fuzzed[] = [
  { format: "coco" },
  { format: "coco-results" },
  { format: "coco-panoptic" },
  { format: "yolo" },
  { format: "labelme" },
  { format: "label-studio" },
  { format: "cvat-images" },
  { format: "cvat-video", video: true },
  { format: "voc" },
  { format: "cityscapes" },
  { format: "mots" },
  { format: "davis", video: true },
  { format: "sa1b" },
  { format: "sav", video: true },
  { format: "label-studio", as: ["min.json", jsonMin] },
  { format: "label-studio", as: ["export.csv", csvOf] },
];

test.each(formats.map((one) => ({ ...one, name: one.as?.[0] ?? one.format })))(
  "$name",
  { timeout: 60_000 * Math.max(1, tries / 120) },
  async ({ format, video = false, as, name }) => {
    const next = random(name.length * 1000 + name.charCodeAt(name.length - 1));
    let [read, refused] = [0, 0];
    const most = process.resourceUsage().maxRSS;
    for (let i = 0; i < tries; i++) {
      const dataset = randomDataset(i % 20, {
        shapes: video ? ["mask"] : ["mask", "polygons"],
        video,
        details: !video,
      });
      const { files } = writeLabels(dataset, format);
      const contents: Record<string, Uint8Array> = {};
      for (const file of files) {
        const bytes = await file.bytes();
        contents[as?.[0] ?? file.path] = as === undefined ? bytes : as[1](bytes);
      }
      const paths = Object.keys(contents);
      const victim = paths[Math.floor(next() * paths.length)] as string;
      contents[victim] = mutated(contents[victim] as Uint8Array, next);
      const size = Object.values(contents).reduce((sum, { length }) => sum + length, 0);
      const before = process.memoryUsage().arrayBuffers;
      const began = performance.now();
      try {
        const imageSize = (): { width: number; height: number } => ({ width: 20, height: 20 });
        await readLabels(filesOf(contents), { problems: "collect", imageSize });
        read++;
      } catch (error) {
        if (!(error instanceof MaskletError)) throw new Error(`mutation ${i} of ${victim}`, { cause: error });
        refused++;
      }
      expect(performance.now() - began, `mutation ${i} of ${victim}`).toBeLessThan(5000);
      const grown = process.memoryUsage().arrayBuffers - before;
      expect(grown, `bytes taken for ${size} by mutation ${i} of ${victim}`).toBeLessThan(4 * size + small);
    }
    // In KiB, and what is not collected yet besides.
    expect(process.resourceUsage().maxRSS - most).toBeLessThan(400 * 1024);
    if (tries > 120) process.stderr.write(`${name}: ${tries} mutations, ${read} read, ${refused} refused\n`);
    expect([read > 0, refused > 0 || read === tries]).toEqual([true, true]);
  },
);

test("a COCO file that is indexed as bytes", { timeout: 60_000 * Math.max(1, tries / 120) }, async () => {
  const next = random(11);
  let refused = 0;
  for (let i = 0; i < tries * 4; i++) {
    const [json] = writeLabels(randomDataset(i % 20, { details: true }), "coco").files;
    const bytes = mutated((await json?.bytes()) as Uint8Array, next);
    try {
      const file = await CocoFile.open(bytesSource(bytes), { chunk: 1 + Math.floor(next() * 500) });
      for (let k = 0; k < file.imageCount; k++) await file.objectsOf((await file.image(k)).id);
    } catch (error) {
      if (!(error instanceof MaskletError)) throw new Error(`mutation ${i}`, { cause: error });
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(0);
});

test("XML's entities are not followed, YAML's tags and growing aliases refused", async () => {
  const laughs =
    '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotations><image id="0" name="&b;" width="1" height="1"/></annotations>';
  const outside =
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations><image id="0" name="&x;" width="1" height="1"/></annotations>';
  for (const text of [laughs, outside]) {
    await expect(readLabels(filesOf({ "a.xml": new TextEncoder().encode(text) }))).rejects.toMatchObject({
      code: "xml-malformed",
    });
  }
  const anchors = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`);
  const yamls = [`a0: &a0 [x]\n${anchors.join("\n")}\nnames: *a12\n`, "names: !!js/function 'x'\n", "names: [a\n"];
  for (const text of yamls) {
    const files = { "data.yaml": new TextEncoder().encode(text), "labels/a.txt": new Uint8Array(0) };
    await expect(readLabels(filesOf(files))).rejects.toMatchObject({ code: "yaml-malformed" });
  }
});
