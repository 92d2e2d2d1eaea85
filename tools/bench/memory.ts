/**
 * The memory of one piece of work, as JSON: anonymous resident bytes, which mapped files are not part of, over those of
 * the process before. Linux tells them; a worker asks while the work blocks its thread.
 */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createOrtBackend } from "@masklet/backend-ort/node";
import { geometry, presets, VideoPredictor } from "@masklet/core";
import { ImagePredictor, loadSam2, Sam2 } from "@masklet/core/node";
import { hashedTensor, hashedWeights } from "@masklet/core/testing";
import { nanoModel } from "@masklet/model-nano";
import { modelFiles } from "./model-files.ts";
import { anonymous, peakOf } from "./peak.ts";
import type { MemoryUse } from "./report.ts";
import { writeTorchFile } from "./torch-file.ts";

const IMAGES = 1000;
/** The first images fill caches and pools. */
const SETTLED = 200;
const WINDOW = 50;

const cases: Readonly<Record<string, () => Promise<MemoryUse>>> = {
  "load large": async () => {
    const path = fileURLToPath(new URL("../../.cache/bench/sam2.1-hiera-large.noise.pt", import.meta.url));
    const { entries } = hashedWeights(presets["sam2.1-hiera-large"]);
    const shapes = new Map(Array.from(entries.values(), ({ name, dims }) => [name, dims]));
    const weights = Array.from(entries.values(), ({ byteLength }) => byteLength).reduce((a, b) => a + b, 0);
    if (!existsSync(path)) {
      mkdirSync(fileURLToPath(new URL(".", new URL(`file://${path}`))), { recursive: true });
      writeTorchFile(`${path}.part`, shapes);
      renameSync(`${path}.part`, path);
    }
    const bytes = await peakOf(async () => {
      const backend = await createOrtBackend();
      const model = await loadSam2(path, { backend });
      await model.dispose();
      await backend.dispose();
    });
    return { name: "loading large in fp32 from .pt, peak", bytes, mark: 1.3 * weights };
  },
  "encode tiny": async () => {
    const weights = hashedWeights(presets["sam2.1-hiera-tiny"]);
    for (const { source } of weights.entries.values()) void source.bytes; // made now, as they are no part of what is measured
    const image = hashedTensor("bench.image", [1, 1024, 1024, 3], 2);
    const bytes = await peakOf(async () => {
      const backend = await createOrtBackend();
      const model = await Sam2.fromWeights(weights, { backend });
      const encoder = await model.executable("imageEncoder");
      for (let i = 0; i < 3; i++) for (const tensor of Object.values(await encoder.run({ image }))) tensor.dispose();
      await model.dispose();
      await backend.dispose();
    });
    return { name: "loading tiny and encoding images, peak", bytes, mark: 1.2e9 };
  },
  "eight objects": async () => {
    const weights = hashedWeights(presets["sam2.1-hiera-tiny"]);
    for (const { source } of weights.entries.values()) void source.bytes;
    const frame = { width: 640, height: 480, channels: 3, data: new Uint8Array(640 * 480 * 3).fill(90) } as const;
    const bytes = await peakOf(async () => {
      const backend = await createOrtBackend();
      const model = await Sam2.fromWeights(weights, { backend });
      const session = new VideoPredictor(model).stream();
      await session.push(frame);
      for (let object = 0; object < 8; object++) {
        await session.addPrompt({ object, points: [[40 + 70 * object, 200]] });
      }
      for (let i = 0; i < geometry(model.config).memories; i++) await session.push(frame);
      await model.dispose();
      await backend.dispose();
    });
    return { name: "tracking eight objects with tiny until their memory is full, peak", bytes, mark: 1.5e9 };
  },
  "edgetam stream": async () => {
    const { checkpoint } = modelFiles("edgetam");
    const frame = { width: 640, height: 480, channels: 3, data: new Uint8Array(640 * 480 * 3).fill(90) } as const;
    const bytes = await peakOf(async () => {
      const backend = await createOrtBackend();
      const model = await loadSam2(checkpoint, { backend });
      const session = new VideoPredictor(model).stream();
      await session.push(frame);
      await session.addPrompt({ object: 0, points: [[200, 200]] });
      for (let i = 0; i < 2 * geometry(model.config).memories; i++) await session.push(frame);
      await model.dispose();
      await backend.dispose();
    });
    return { name: "loading edgetam and tracking an object, peak", bytes, mark: 0.4e9 };
  },
  "many images": async () => {
    const backend = await createOrtBackend();
    const model = await loadSam2(fileURLToPath(nanoModel.checkpoint), { backend });
    const predictor = new ImagePredictor(model);
    const levels: number[] = [];
    for (let i = 0; i < IMAGES; i++) {
      const [width, height] = [200 + (i % 7) * 40, 160 + (i % 5) * 40];
      const data = new Uint8Array(width * height * 3).fill(i % 256);
      await predictor.setImage({ width, height, channels: 3, data });
      await predictor.predict({ points: [[width / 2, height / 2]] });
      levels.push(anonymous());
    }
    await predictor.dispose();
    await model.dispose();
    await backend.dispose();
    // The least of many, as garbage comes and goes.
    const least = (from: number): number => Math.min(...levels.slice(from, from + WINDOW));
    const bytes = least(IMAGES - WINDOW) - least(SETTLED);
    return { name: `nano's growth from image ${SETTLED} to ${IMAGES}`, bytes, mark: 8e6 };
  },
};

const measure = cases[process.argv[2] ?? ""];
if (measure === undefined) throw new Error(`bench: memory of ${Object.keys(cases).join(", ")}`);
process.stdout.write(JSON.stringify(await measure()));
