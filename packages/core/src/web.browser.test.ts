import { afterEach, beforeEach, expect, test } from "vitest";
import { ObservedBackend } from "../test/observed-backend.ts";
import { type LoadProgress, loadSam2, parseConfig } from "./web.ts";

const nano = {
  checkpoint: new URL("../../model-nano/sam2.1_hiera_nano.safetensors", import.meta.url),
  config: new URL("../../model-nano/sam2.1_hiera_nano.json", import.meta.url),
};
const backend = new ObservedBackend({ compute: false });
const config = async () => parseConfig(await (await fetch(nano.config)).json());

// Other files' tests have the same storage.
beforeEach(() => caches.delete("masklet"));
afterEach(async () => {
  await caches.delete("masklet");
  expect(backend.executables).toBe(0);
});

test("a model from an address is fetched once and kept", async () => {
  const address = String(nano.checkpoint);
  const downloads: boolean[] = [];
  for (const source of [nano.checkpoint, address]) {
    let told = false;
    const onProgress = ({ stage }: LoadProgress): void => {
      if (stage === "download") told = true;
    };
    await using model = await loadSam2(source, { backend, config, onProgress });
    expect(model.source).toBe(new URL(address, location.href).href);
    downloads.push(told);
  }
  expect(downloads).toEqual([true, false]);
});

test("a model from a file that the user chose", async () => {
  const bytes = await (await fetch(nano.checkpoint)).blob();
  await using model = await loadSam2(new File([bytes], "mine.safetensors"), { backend, config });
  expect(model.source).toBe("mine.safetensors");
  expect(await caches.keys()).toEqual([]);
});

test("an address with nothing behind it", async () => {
  await expect(loadSam2("/no-such-model.safetensors", { backend })).rejects.toMatchObject({
    name: "DownloadError",
    code: "not-on-server",
  });
});
