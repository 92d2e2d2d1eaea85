/**
 * `pnpm bench --reports`: writes apps/docs/reports.json, which the site shows as its page of reports: accuracy against
 * goldens (where ../shared has them), speed, the first mask in a page, sizes, and what runs on this machine.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as ort from "@masklet/backend-ort/node";
import * as tfjs from "@masklet/backend-tfjs/node";
import {
  type Backend,
  compressRle,
  decompressRle,
  encodeRle,
  ImagePredictor,
  type Label,
  loadSam2,
  MaskletError,
  type Point,
  type PromptBox,
  readImage,
  rleArea,
  rleIntersection,
} from "@masklet/core/node";
import { createReferenceBackend } from "@masklet/core/testing";
import { nanoModel } from "@masklet/model-nano";
import type { Reports } from "../../apps/docs/src/reports.ts";
import { chromium, root } from "../host.mjs";
import { supportInBrowser } from "./browser.ts";
import { benchFirstMask, median } from "./first-mask.ts";
import { machine } from "./machine.ts";

const backends = {
  "ONNX Runtime, cpu": () => ort.createOrtBackend({ device: "cpu" }),
  "TensorFlow.js, wasm": () => tfjs.createTfjsBackend({ engine: "wasm" }),
} as const satisfies Readonly<Record<string, () => Promise<Backend>>>;

export const reportsFile: string = join(root, "apps", "docs", "reports.json");

/** Measures all and writes the file. */
export async function writeReports(rounds: number): Promise<void> {
  const step = (what: string): boolean => process.stderr.write(`reports: ${what}\n`);
  const [load = 0] = loadavg();
  step("accuracy");
  const accuracy = await measureAccuracy();
  step("speed");
  const speed = await measureSpeed(rounds);
  step("support");
  const support = [...(await measureSupport()), ...(chromium() === undefined ? [] : await measurePageSupport())];
  const firstMask = chromium() === undefined ? null : await benchFirstMask(rounds);
  const sizes = JSON.parse(readFileSync(join(root, "tools", "size-budget.json"), "utf8"));
  const reports: Reports = {
    date: new Date().toISOString().slice(0, 10),
    version: JSON.parse(readFileSync(join(root, "packages", "core", "package.json"), "utf8")).version,
    machine: machine(),
    node: process.version,
    load,
    accuracy,
    speed,
    firstMask,
    sizes: { installed: sizes.installed, bundles: sizes.bundles },
    support,
  };
  writeFileSync(reportsFile, `${JSON.stringify(reports, null, 2)}\n`);
}

interface GoldenCase {
  readonly iou: readonly number[];
  readonly prompt: {
    readonly points?: readonly Point[];
    readonly labels?: readonly Label[];
    readonly box?: PromptBox;
    readonly multimask: boolean;
  };
  readonly coco: readonly { readonly counts: string }[];
}

/** Of each backend, on the recorded cases of the scene; empty where there are no goldens. */
async function measureAccuracy(): Promise<Reports["accuracy"]> {
  const file = join(root, "..", "shared", "goldens", "nano", "image.json");
  if (!existsSync(file)) return [];
  const { cases } = JSON.parse(readFileSync(file, "utf8")).scene as { readonly cases: readonly GoldenCase[] };
  const image = await readImage(join(root, "examples", "scene.png"));
  const rows: Reports["accuracy"][number][] = [];
  for (const [name, create] of Object.entries({ ...backends, "reference, plain TypeScript": createReferenceBackend })) {
    await using backend = disposable(await create());
    await using model = await loadSam2(nanoModel.checkpoint, { backend: backend.value });
    await using predictor = new ImagePredictor(model);
    await predictor.setImage(image);
    const ious: number[] = [];
    let iouError = 0;
    for (const { prompt, coco, iou } of cases) {
      const { multimask, points, labels, box } = prompt;
      const asked = { ...(points && { points }), ...(labels && { labels }), ...(box && { box }) };
      const { masks, iouPredictions } = await predictor.predict(asked, { multimaskOutput: multimask });
      for (const [i, mask] of masks.entries()) {
        const ours = decompressRle(compressRle(encodeRle(mask)));
        const theirs = decompressRle({ size: ours.size, counts: coco[i]?.counts ?? "" });
        const both = rleIntersection(ours, theirs);
        const union = rleArea(ours) + rleArea(theirs) - both;
        ious.push(union === 0 ? 1 : both / union);
        iouError = Math.max(iouError, Math.abs((iouPredictions[i] as number) - (iou[i] as number)));
      }
    }
    const meanIou = ious.reduce((sum, one) => sum + one, 0) / ious.length;
    rows.push({ backend: name, cases: ious.length, meanIou, leastIou: Math.min(...ious), iouError });
  }
  return rows;
}

const disposable = <B extends Backend>(value: B): AsyncDisposable & { readonly value: B } => ({
  value,
  [Symbol.asyncDispose]: () => value.dispose(),
});

/** The backends take turns. */
async function measureSpeed(rounds: number): Promise<Reports["speed"]> {
  const image = await readImage(join(root, "examples", "scene.png"));
  const times = new Map<string, { load: number[]; encode: number[]; click: number[] }>();
  const timed = async <T>(into: number[], run: () => Promise<T>): Promise<T> => {
    const before = performance.now();
    const result = await run();
    into.push(performance.now() - before);
    return result;
  };
  for (let round = 0; round < rounds; round++) {
    for (const [name, create] of Object.entries(backends)) {
      const of = times.get(name) ?? { load: [], encode: [], click: [] };
      times.set(name, of);
      await using backend = disposable(await create());
      await using model = await timed(of.load, () => loadSam2(nanoModel.checkpoint, { backend: backend.value }));
      await using predictor = new ImagePredictor(model);
      await predictor.setImage(image);
      for (let i = 0; i < 3; i++) {
        await timed(of.encode, () => predictor.setImage(image));
        await timed(of.click, () => predictor.predict({ points: [[130 + i, 121]] }));
      }
    }
  }
  return [...times].map(([backend, { load, encode, click }]) => ({
    backend,
    load: median(load),
    encode: median(encode),
    click: median(click),
    rounds,
  }));
}

/** Each backend asked for each of its devices in Node. */
async function measureSupport(): Promise<Reports["support"]> {
  const tries = [
    ...(["cpu", "webgpu", "cuda", "coreml", "dml"] as const).map((device) => ({
      backend: "ONNX Runtime",
      device,
      create: (): Promise<Backend> => ort.createOrtBackend({ device }),
    })),
    ...(["node-gpu", "node", "wasm", "cpu"] as const).map((engine) => ({
      backend: "TensorFlow.js",
      device: engine,
      create: (): Promise<Backend> => tfjs.createTfjsBackend({ engine }),
    })),
  ];
  const rows: Reports["support"][number][] = [];
  for (const { backend, device, create } of tries) {
    const row = { backend, host: "Node", device };
    try {
      await using made = disposable(await create());
      rows.push({ ...row, state: "runs", dtypes: made.value.capabilities.dtypes });
    } catch (error) {
      if (!(error instanceof MaskletError)) throw error;
      rows.push({ ...row, state: error.code, dtypes: [] });
    }
  }
  return rows;
}

/** As `measureSupport`, in a page. */
async function measurePageSupport(): Promise<Reports["support"]> {
  const names = { ort: "ONNX Runtime", tfjs: "TensorFlow.js" };
  return (await supportInBrowser()).map((row) => ({ ...row, backend: names[row.backend], host: "Chromium" }));
}
