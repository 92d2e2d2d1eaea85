import { expect, test, vi } from "vitest";
import { blobSource } from "./blob-source.ts";

const bytes = (size: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: size }, (_, i) => i % 251);

test("a small file is read once, however many ranges are asked for", async () => {
  const blob = new Blob([bytes(1000)]);
  const slice = vi.spyOn(blob, "slice");
  const source = blobSource(blob, "small");
  const [first, last] = await Promise.all([source.read(0, 10), source.read(990, 10)]);
  expect([first, last]).toEqual([bytes(10), bytes(1000).slice(990)]);
  expect(await source.read(251, 3)).toEqual(Uint8Array.of(0, 1, 2));
  expect(slice.mock.calls).toEqual([[0, 1000]]);
  await expect(source.read(995, 10)).rejects.toMatchObject({ code: "truncated" });
});

test("of a large one only the ranges are", async () => {
  const blob = new Blob([new Uint8Array(2 ** 24), bytes(10)]);
  const slice = vi.spyOn(blob, "slice");
  expect(await blobSource(blob, "large").read(2 ** 24, 10)).toEqual(bytes(10));
  expect(slice.mock.calls).toEqual([[2 ** 24, 2 ** 24 + 10]]);
});

test("a read that fails is tried again by the next", async () => {
  const blob = new Blob([bytes(10)]);
  const slice = vi.spyOn(blob, "slice").mockImplementationOnce(() => {
    throw new DOMException("gone", "NotReadableError");
  });
  const source = blobSource(blob, "moved");
  await expect(source.read(0, 2)).rejects.toMatchObject({ name: "CheckpointError", code: "read-failed" });
  expect(await source.read(0, 2)).toEqual(bytes(2));
  expect(slice).toHaveBeenCalledTimes(2);
});
