import { nanoModel } from "@masklet/model-nano";
import { expect, test as it } from "vitest";

it("a page fetches checkpoint and config from where the bundler put them", async () => {
  const checkpoint = await (await fetch(nanoModel.checkpoint)).arrayBuffer();
  const header = Number(new DataView(checkpoint).getBigUint64(0, true));
  const tensors: Record<string, { data_offsets?: [number, number] }> = JSON.parse(
    new TextDecoder().decode(new Uint8Array(checkpoint, 8, header)),
  );
  const end = Math.max(...Object.values(tensors).map((tensor) => tensor.data_offsets?.[1] ?? 0));
  expect(8 + header + end).toBe(checkpoint.byteLength);

  const config: unknown = await (await fetch(nanoModel.config)).json();
  expect(config).toMatchObject({ image_size: 256, embed_dim: 32 });
});

it("the page is isolated, so that wasm may use threads, and has WebGPU", async () => {
  expect(crossOriginIsolated).toBe(true);
  expect("gpu" in navigator).toBe(true);
});
