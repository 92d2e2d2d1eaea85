/**
 * What datasets take, as JSON: `DatasetRow`s. Pictures and labels are made up: discs on a slope, boxes around them; a COCO file
 * of 450 MB whose annotations are polygons, indexed, and one of them changed where it stands.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { encodeWebp, fileSource, writeFileAtomic } from "@masklet/core/node";
import { CocoFile } from "@masklet/labels";
import { writeLargeCoco } from "./coco-file.ts";
import { peakOf } from "./peak.ts";
import type { DatasetRow } from "./report.ts";

const PICTURES = 200;
const size = { width: 1280, height: 720 };
const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "masklet-bench-"));
try {
  process.stdout.write(JSON.stringify([...(await annotate()), ...(await largeFile())]));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Pictures of three discs each, and a file of boxes around them. */
async function makePictures(): Promise<{ readonly images: string; readonly labels: string }> {
  const images = join(folder, "images");
  mkdirSync(images);
  const [listed, annotations]: [object[], object[]] = [[], []];
  for (let i = 0; i < PICTURES; i++) {
    const data = new Uint8Array(size.width * size.height * 3).map((_, p) => 60 + ((p / 3) % size.width) / 10 + (p % 7));
    for (let k = 0; k < 3; k++) {
      const [x, y, radius] = [200 + k * 380 + (i % 90), 200 + ((k * 97 + i * 3) % 300), 60 + ((i * 7 + k * 13) % 50)];
      for (let v = y - radius; v < y + radius; v++) {
        const half = Math.floor(Math.sqrt(radius ** 2 - (v - y) ** 2));
        data.fill(220 - 40 * k, (v * size.width + x - half) * 3, (v * size.width + x + half) * 3);
      }
      const bbox = [x - radius, y - radius, 2 * radius, 2 * radius];
      annotations.push({ id: annotations.length + 1, image_id: i, category_id: 1, bbox, area: 1, segmentation: [] });
    }
    writeFileSync(join(images, `${i}.webp`), await encodeWebp({ ...size, channels: 3, data }));
    listed.push({ id: i, file_name: `${i}.webp`, ...size });
  }
  const labels = join(folder, "boxes.json");
  writeFileSync(labels, JSON.stringify({ images: listed, annotations, categories: [{ id: 1, name: "disc" }] }));
  return { images, labels };
}

/** In one process, and in two shards of one thread each at once: what one does between runs of the model the other computes in. */
async function annotate(): Promise<readonly DatasetRow[]> {
  const { images, labels } = await makePictures();
  const line = (out: string, ...more: readonly string[]): readonly string[] => [
    ...["--conditions=@masklet/source", "--no-warnings", main, "annotate", images, "--boxes-from", labels],
    ...["-o", join(folder, out), "--model", "nano", "--quiet", ...more],
  ];
  const rows: DatasetRow[] = [];
  for (const [name, ...lines] of [
    ["one process", line("one")],
    ["two shards of one thread", ...[1, 2].map((i) => line("two", "--shard", `${i}/2`, "--threads", "1"))],
  ] as const) {
    const began = performance.now();
    const peaks = await Promise.all(lines.map(peakOfProcess));
    const seconds = (performance.now() - began) / 1000;
    const what = `annotate --boxes-from, ${PICTURES} pictures of ${size.width} x ${size.height}, nano, ${name}`;
    rows.push({ name: what, seconds, pictures: PICTURES, bytes: peaks.reduce((sum, one) => sum + one, 0) });
  }
  return rows;
}

/** Runs Node. -> the most anonymous memory that it had, as often as one looks. */
async function peakOfProcess(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  let peak = 0;
  const watch = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      peak = Math.max(peak, 1024 * Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {} // it has ended
  }, 10);
  const [code] = await once(child, "close");
  clearInterval(watch);
  if (code !== 0) throw new Error(`bench: annotate ended with ${code}`);
  return peak;
}

async function largeFile(): Promise<readonly DatasetRow[]> {
  const path = join(folder, "instances.json");
  const { annotations, bytes } = writeLargeCoco(path);
  const megabytes = (bytes / 1e6).toFixed(0);
  const of = `a COCO file of ${megabytes} MB with ${annotations} annotations`;
  return [
    await measured(`index ${of}`, () => index(path)),
    await measured(`change one annotation of ${of}`, () => edit(path)),
  ];
}

async function measured(name: string, work: () => Promise<void>): Promise<DatasetRow> {
  let seconds = 0;
  const bytes = await peakOf(async () => {
    const began = performance.now();
    await work();
    seconds = (performance.now() - began) / 1000;
  });
  return { name, seconds, bytes, mark: 600e6 };
}

async function index(path: string): Promise<void> {
  const coco = await CocoFile.open(await fileSource(path));
  if ((await coco.objectsOf(7)).length === 0) throw new Error("bench: the index has lost an image's objects");
}

/** From opening the file to having it on the disk, changed; the rest has to have its bytes. */
async function edit(path: string): Promise<void> {
  const before = statSync(path).size;
  const source = await fileSource(path);
  const coco = await CocoFile.open(source);
  const [first] = await coco.objectsOf(70_000);
  if (first === undefined) throw new Error("bench: the index has lost an image's objects");
  const box = { x: 3, y: 4, width: 5, height: 6 };
  const ring = [3, 4, 8, 4, 8, 10, 3, 10];
  await coco.replace(first.place, {
    ...first.object,
    box,
    shape: { kind: "polygons", regions: [{ outline: ring, holes: [] }], fill: "cocoapi" },
  });
  const splices = await coco.splices();
  const [splice] = splices;
  if (splice === undefined || splices.length > 1) throw new Error(`bench: ${splices.length} places change, not one`);
  await writeFileAtomic(path, coco.stream());
  await source.close?.();
  const grown = splice.bytes.length - (splice.end - splice.start);
  const changed = await fileSource(path);
  const there = await changed.read(splice.start, splice.bytes.length);
  await changed.close?.();
  if (changed.size !== before + grown || Buffer.compare(there, splice.bytes) !== 0) {
    throw new Error("bench: the changed file is not what it should be");
  }
}
