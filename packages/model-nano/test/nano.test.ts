import { readFile, stat } from "node:fs/promises";
import { nanoModel } from "@masklet/model-nano";
import { expect, test as it } from "vitest";

it("the checkpoint is complete: its header's last offset is the end of the file", async () => {
  const checkpoint = await readFile(nanoModel.checkpoint);
  const header = Number(checkpoint.readBigUInt64LE(0));
  const tensors: Record<string, { data_offsets?: [number, number] }> = JSON.parse(
    checkpoint.toString("utf8", 8, 8 + header),
  );
  const end = Math.max(...Object.values(tensors).map((tensor) => tensor.data_offsets?.[1] ?? 0));
  expect(8 + header + end).toBe((await stat(nanoModel.checkpoint)).size);
});

it("the config says what the shapes do not show", async () => {
  expect(JSON.parse(await readFile(nanoModel.config, "utf8"))).toMatchObject({ image_size: 256, embed_dim: 32 });
});
