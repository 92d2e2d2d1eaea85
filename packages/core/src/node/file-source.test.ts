import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkpointError } from "../../test/checkpoint-files.ts";
import { fileSource } from "./file-source.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

test("reads ranges, also at once", async () => {
  const path = await file(
    "a.bin",
    Uint8Array.from({ length: 1000 }, (_, i) => i),
  );
  const source = await fileSource(path);
  expect([source.name, source.size, source.path]).toEqual([path, 1000, resolve(path)]);
  const reads = await Promise.all([0, 300, 990].map((offset) => source.read(offset, 10)));
  expect(reads.map((bytes) => bytes[0])).toEqual([0, 300 % 256, 990 % 256]);
  expect(await source.read(1000, 0)).toEqual(new Uint8Array());
  await source.close?.();
});

test("what cannot be read is a typed error", async () => {
  const missing = await checkpointError(() => fileSource(join(folder, "none")));
  expect([missing.code, missing.cause]).toEqual(["not-found", expect.objectContaining({ code: "ENOENT" })]);
  expect((await checkpointError(() => fileSource(folder))).code).toBe("read-failed");

  const path = await file("b.bin", new Uint8Array(100));
  const source = await fileSource(path);
  for (const [offset, length] of [
    [90, 11],
    [-1, 2],
    [0, 0.5],
    [0, Number.NaN],
  ] as const) {
    expect((await checkpointError(() => source.read(offset, length))).code).toBe("truncated");
  }
  await truncate(path, 50);
  expect((await checkpointError(() => source.read(40, 20))).code).toBe("truncated");
  await source.close?.();
  expect((await checkpointError(() => source.read(0, 1))).code).toBe("read-failed");
});

test("an abort is heard", async () => {
  const source = await fileSource(await file("c.bin", new Uint8Array(10)));
  await expect(source.read(0, 10, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  await source.close?.();
});
