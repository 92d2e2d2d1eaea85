/** A long stream and a long batch keep their memory. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Sample } from "./long-use.ts";

test.each([
  ["frames", "stream-process.ts"],
  ["images", "batch-process.ts"],
])("1000 %s take no more memory than the first of them", { timeout: 600_000 }, (_, name) => {
  // In a process of its own, whose young generation has its full size from the start: else the engine lets it grow by
  // some 30 MB in the first hundreds, whoever allocates. Pictures' bytes go back to the system when they are freed (glibc
  // would raise the size from which they do, and keep more or less of them).
  const script = fileURLToPath(new URL(name, import.meta.url));
  const engine = ["--expose-gc", "--min-semi-space-size=16", "--max-semi-space-size=16"];
  const child = spawnSync(process.execPath, [...engine, "--conditions=@masklet/source", "--no-warnings", script], {
    encoding: "utf8",
    env: { ...process.env, MALLOC_MMAP_THRESHOLD_: "65536" },
  });
  expect(child.stderr).toBe("");
  const samples: readonly Sample[] = JSON.parse(child.stdout);
  expect(samples).toHaveLength(10);
  expect(samples.at(-1)?.found).toBe(1000);
  expect(new Set(samples.map(({ tensors }) => tensors)).size, "tensors alive").toBe(1);
  expect(new Set(samples.map(({ bytes }) => bytes)).size, "bytes remembered").toBe(1);
  const resident = samples.map((sample) => sample.resident);
  const shown = resident.map((bytes) => Math.round(bytes / 1e6)).join(", ");
  const growth = Math.min(...resident.slice(5)) / Math.min(...resident.slice(0, 5));
  expect(growth, `MB resident: ${shown}`).toBeLessThan(1.05);
});
