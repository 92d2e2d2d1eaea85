/** A long stream keeps its memory. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { StreamSample } from "./stream-process.ts";

test("1000 frames take no more memory than 100", { timeout: 600_000 }, () => {
  // In a process of its own, whose young generation has its full size from the start: else the engine lets it grow by
  // some 30 MB in the first hundreds of frames, whoever allocates.
  const script = fileURLToPath(new URL("stream-process.ts", import.meta.url));
  const engine = ["--expose-gc", "--min-semi-space-size=16", "--max-semi-space-size=16"];
  const child = spawnSync(process.execPath, [...engine, "--conditions=@masklet/source", "--no-warnings", script], {
    encoding: "utf8",
  });
  expect(child.stderr).toBe("");
  const samples: readonly StreamSample[] = JSON.parse(child.stdout);
  const [early, late] = [samples[0], samples.at(-1)] as [StreamSample, StreamSample];
  expect(samples).toHaveLength(10);
  expect(late.found).toBe(1000);
  expect(new Set(samples.map(({ tensors }) => tensors)).size, "tensors alive").toBe(1);
  expect(new Set(samples.map(({ bytes }) => bytes)).size, "bytes remembered").toBe(1);
  const resident = samples.map((sample) => Math.round(sample.resident / 1e6)).join(", ");
  expect(late.resident / early.resident, `MB resident: ${resident}`).toBeLessThan(1.05);
});
