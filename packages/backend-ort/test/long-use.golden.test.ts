/** A long stream and a long batch keep their memory. */
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Sample } from "./long-use.ts";

// Side by side: neither fills two cores, nor is anything timed.
const uses: readonly (readonly [what: string, name: string, ...args: string[]])[] = [
  ["frames", "stream-process.ts"],
  ["frames with memories of latents", "stream-process.ts", "toy"],
  ...(process.env["MASKLET_SLOW"] === "1" ? [["frames of EdgeTAM", "stream-process.ts", "edgetam"] as const] : []),
  ["images", "batch-process.ts"],
];
test.concurrent.each(uses)(
  "1000 %s take no more memory than the first of them",
  { timeout: 3_600_000 },
  async (_, name, ...args) => {
    // In a process of its own, whose young generation has its full size from the start: else the engine lets it grow by
    // some 30 MB in the first hundreds, whoever allocates. Pictures' bytes go back to the system when they are freed (glibc
    // would raise the size from which they do, and keep more or less of them).
    const script = fileURLToPath(new URL(name, import.meta.url));
    const engine = ["--expose-gc", "--min-semi-space-size=16", "--max-semi-space-size=16"];
    const line = [...engine, "--conditions=@masklet/source", "--no-warnings", script, ...args];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, line, {
      env: { ...process.env, MALLOC_MMAP_THRESHOLD_: "65536" },
    });
    expect(stderr).toBe("");
    const samples: readonly Sample[] = JSON.parse(stdout);
    expect(samples).toHaveLength(10);
    expect(samples.at(-1)?.found).toBe(1000);
    expect(new Set(samples.map(({ tensors }) => tensors)).size, "tensors alive").toBe(1);
    expect(new Set(samples.map(({ bytes }) => bytes)).size, "bytes remembered").toBe(1);
    // What JavaScript holds is steady to 3%, and 6% is 1.6 kB a frame. What the process holds goes up and down by 10% as
    // the allocator keeps pages and gives them back, for as long as one looks (3000 frames); a mask lost each time is 15%.
    for (const [what, most] of [
      ["held", 1.06],
      ["resident", 1.12],
    ] as const) {
      const bytes = samples.map((sample) => sample[what]);
      const growth = Math.min(...bytes.slice(5)) / Math.min(...bytes.slice(0, 5));
      expect(growth, `MB ${what}: ${bytes.map((count) => (count / 1e6).toFixed(1)).join(", ")}`).toBeLessThan(most);
    }
  },
);
