import { afterAll, describe, expect, test, vi } from "vitest";
import { crc32 } from "../src/checkpoint/crc32.ts";
import { PickleGlobal, unpickle } from "../src/checkpoint/pickle.ts";
import { RemoteError } from "../src/errors.ts";
import {
  bytesSource,
  compressRle,
  decodeLabelPng,
  decodeRle,
  encodeLabelPng,
  encodeRle,
  loadSam2,
  MaskletRecorder,
  openCheckpoint,
  parseConfig,
  parseSav,
  readImage,
  readMaskPicture,
  rleArea,
  rleBox,
  savFrames,
  VideoPredictor,
  writeSafetensors,
} from "../src/node.ts";
import { serveSam2 } from "../src/remote/index.ts";
import type { PortLike } from "../src/remote/port.ts";
import { message, protocolVersion, versionOf } from "../src/remote/protocol.ts";
import { pickle, random, safetensors, torchTensor, torchZip } from "./checkpoint-files.ts";
import { fuzz, mutateBytes, mutateJson, mutateMessage } from "./fuzz.ts";
import { ObservedBackend } from "./observed-backend.ts";
import { pngFile, tiffFile } from "./picture-files.ts";
import { noiseImage, toyConfig, toyJson, toyTensors } from "./toy-sam2.ts";

vi.setConfig({ testTimeout: 600_000 });

/** Some inputs have to be refused, and others be taken: else the mutations reach nothing. */
const useful = { accepted: expect.toSatisfy((n) => n > 0), refused: expect.toSatisfy((n) => n > 0) };

const tensor = (key: string, dims: readonly number[], strides?: readonly number[]) =>
  torchTensor({ type: "FloatStorage", key, count: 24, dims, ...(strides && { strides }) });
const state = {
  ordered: [
    ["a.weight", tensor("0", [4, 6])],
    ["b.weight", tensor("1", [2, 3, 4], [1, 2, 6])],
    ["c.bias", tensor("1", [24])],
  ] as const,
  attributes: { dict: [["_metadata", { dict: [] }]] as const },
};
const storages = { 0: new Uint8Array(96), 1: Uint8Array.from({ length: 96 }, (_, i) => i) };
const model = { dict: [["model", state]] as const };

describe("checkpoints", () => {
  const readAll = async (bytes: Uint8Array): Promise<void> => {
    const store = await openCheckpoint(bytesSource(bytes));
    for (const name of store.entries.keys()) await store.read(name);
    await store.close();
  };
  const noChecksums = { name: "m/version", bytes: Uint8Array.of(51, 10), lie: { crc: 1 } };

  test.each([
    ["with checksums", 0.05, torchZip(model, storages)],
    ["without", 0.2, torchZip(model, storages, [noChecksums])],
  ])("a .pt %s", async (_, share, file) => {
    await readAll(file);
    const mutate = (random: () => number) => mutateBytes(file, random);
    expect(await fuzz({ share, mutate, run: readAll })).toEqual(useful);
  });

  test("a pickle", async () => {
    const file = pickle(model);
    const globals = [
      new PickleGlobal("collections.OrderedDict", () => new Map()),
      new PickleGlobal("torch._utils._rebuild_tensor_v2", (args) => [...args]),
      new PickleGlobal("torch.FloatStorage"),
    ];
    const allowed = new Map(globals.map((global) => [global.name, global]));
    const run = (bytes: Uint8Array) => unpickle(bytes, { name: "fuzz", allowed, persistentLoad: (id) => id });
    run(file);
    expect(await fuzz({ share: 0.2, mutate: (random) => mutateBytes(file, random), run })).toEqual(useful);
  });

  test("a safetensors file", async () => {
    const float = (at: number, shape: readonly number[]) => ({ dtype: "F32", shape, data_offsets: [at, at + 96] });
    const header = { __metadata__: { format: "pt" }, "a.weight": float(0, [4, 6]), "b.bias": float(96, [24]) };
    const file = safetensors(header, new Uint8Array(192));
    await readAll(file);
    expect(await fuzz({ share: 0.1, mutate: (random) => mutateBytes(file, random), run: readAll })).toEqual(useful);
    const mutate = (random: () => number) => safetensors(mutateJson(header, random), new Uint8Array(192));
    expect(await fuzz({ share: 0.05, mutate, run: readAll })).toEqual(useful);
  });

  test("a config", async () => {
    expect(
      await fuzz({ share: 0.1, mutate: (random) => mutateJson(toyJson, random), run: (json) => parseConfig(json) }),
    ).toEqual(useful);
  });
});

describe("masks", () => {
  const noise = random(7);
  const mask = { width: 24, height: 20, data: Uint8Array.from({ length: 480 }, () => (noise() < 0.3 ? 1 : 0)) };

  test("run lengths", async () => {
    const runs = encodeRle(mask);
    const all = (rle: unknown) => {
      const given = rle as Parameters<typeof decodeRle>[0];
      return [decodeRle(given), rleArea(given), rleBox(given)];
    };
    const whole = compressRle(runs);
    const text = Uint8Array.from(whole.counts, (character) => character.charCodeAt(0));
    const strings = (random: () => number) => ({
      size: whole.size,
      counts: String.fromCharCode(...mutateBytes(text, random)),
    });
    expect(await fuzz({ share: 0.05, mutate: strings, run: all })).toEqual(useful);
    expect(await fuzz({ share: 0.05, mutate: (random) => mutateJson(runs, random), run: all })).toEqual(useful);
    expect(await fuzz({ share: 0.02, mutate: (random) => mutateJson(whole, random), run: all })).toEqual(useful);
  });

  test("SA-V's annotations", async () => {
    const recorder = new MaskletRecorder(mask);
    recorder.add({ frame: 0, objects: [{ id: 1, mask }] });
    recorder.add({ frame: 1, objects: [{ id: 2, mask }] });
    const annotation = recorder.annotation({ videoId: "fuzz", frameCount: 2, duration: 1 });
    const run = (json: unknown) => [...savFrames(parseSav(json))];
    expect(await fuzz({ share: 0.02, mutate: (random) => mutateJson(annotation, random), run })).toEqual(useful);
  });

  /** Right checksums, so that what is behind them is reached. */
  function sealed(file: Uint8Array): Uint8Array {
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    for (let at = 8; at + 12 <= file.length; at += 12 + view.getUint32(at)) {
      const end = at + 8 + view.getUint32(at);
      if (end + 4 > file.length) break;
      view.setUint32(end, crc32(file.subarray(at + 4, end)));
    }
    return file;
  }

  test("a label PNG", async () => {
    const file = await encodeLabelPng(mask);
    const run = (bytes: Uint8Array) => decodeLabelPng(bytes);
    const mutate = (random: () => number): Uint8Array => {
      const damaged = mutateBytes(file, random);
      return random() < 0.8 ? sealed(damaged) : damaged;
    };
    expect(await fuzz({ share: 0.08, mutate, run })).toEqual(useful);
  });
});

describe("pictures of more than 8 bits", () => {
  const size = { width: 9, height: 7 };
  const samples = Array.from({ length: 63 }, (_, i) => (i * i) % 200);

  test.each([
    ["a TIFF in tiles", tiffFile({ ...size, format: "int", bits: 16, samples, tiled: true })],
    ["a deflated TIFF", tiffFile({ ...size, format: "float", bits: 32, samples, deflate: true, bigEndian: true })],
    ["a PNG", pngFile({ ...size, colourType: 0, depth: 16, samples })],
  ])("%s", async (_, file) => {
    const run = async (bytes: Uint8Array) => [await readImage(bytes), (await readMaskPicture(bytes)).labels];
    await run(file);
    const mutate = (random: () => number) => mutateBytes(file, random);
    expect(await fuzz({ share: 0.02, mutate, run })).toEqual(useful);
  });
});

describe("what a model reads", () => {
  const backend = new ObservedBackend({ compute: false });
  afterAll(() => expect([backend.tensors, backend.executables]).toEqual([0, 0]));
  const click = { points: [[9, 8]] as const };

  test("a saved session", async () => {
    const file = writeSafetensors(await toyTensors());
    await using sam2 = await loadSam2(file, { backend, config: toyConfig });
    const predictor = new VideoPredictor(sam2);
    const source = { size: { width: 20, height: 16 }, count: 3, frame: async () => noiseImage(20, 16) };
    await using session = predictor.start(source);
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await session.addMask({ frame: 1, object: 2, mask: { width: 2, height: 2, data: Uint8Array.of(0, 1, 1, 0) } });
    for await (const _ of session.propagate());
    const saved = session.save();
    const length = Number(new DataView(saved.buffer).getBigUint64(0, true));
    const run = async (bytes: Uint8Array): Promise<void> => {
      await using loaded = await predictor.load(bytes, source);
      loaded.save();
    };
    await run(saved);
    /** The header has the offsets, and the session's own facts come first behind it: most of the rest is numbers. */
    const mutate = (random: () => number): Uint8Array => {
      const facts = 8 + length + Math.floor(random() * 4000);
      return Uint8Array.from([...mutateBytes(saved.subarray(0, facts), random), ...saved.subarray(facts)]);
    };
    expect(await fuzz({ share: 0.02, mutate, run })).toEqual(useful);
  });

  test("messages to a worker", async () => {
    const file = writeSafetensors(await toyTensors());
    let receive: (data: unknown) => void = () => {};
    let answered: (data: { readonly type: string; readonly value?: unknown }) => void = () => {};
    const port: PortLike = {
      postMessage: (data) => {
        if ((data as { readonly type: string }).type !== "event") answered(data as never);
      },
      on: (event, listener) => {
        if (event === "message") receive = listener;
      },
    };
    const host = serveSam2(port, { backend });
    const ask = (data: unknown): Promise<unknown> =>
      new Promise((resolve, reject) => {
        answered = ({ type, value }) =>
          type === "result" ? resolve(value) : reject(new RemoteError("lost", "the host answers with an error"));
        receive(data);
        const version = versionOf(data);
        const isAnswered = (data as { readonly type?: unknown } | null)?.type === "call" || version !== protocolVersion;
        if (version === undefined || !isAnswered) resolve(undefined);
      });
    let id = 0;
    const call = (method: string, params: unknown) => message({ type: "call", id: ++id, method, params });
    const handle = async (method: string, params: unknown) => {
      const { handle } = (await ask(call(method, params))) as { readonly handle: number };
      return { handle };
    };
    const loaded = await handle("load", { source: file, config: toyConfig });
    const options = { maskThreshold: 0, maxHoleArea: 0 };
    const like = await handle("imagePredictor", { model: loaded, options });
    const images = await handle("setImages", { images: [noiseImage(20, 16)], like });
    const calls = [
      ["load", { source: file.subarray(0, 200), config: toyConfig }],
      ["imagePredictor", { model: loaded, options }],
      ["setImages", { images: [noiseImage(4, 3)], like }],
      ["predict", { images, prompts: [click, { box: [2, 3, 9, 8] }], options: { multimaskOutput: true } }],
      ["refine", { images, prompt: click, options: { iterations: 1 } }],
      ["imageEmbedding", { images, index: 0 }],
      ["next", { handle: 99 }],
      ["release", { handle: 99 }],
    ] as const;
    const mutate = (random: () => number): unknown => {
      const [method, params] = calls[Math.floor(random() * calls.length)] as (typeof calls)[number];
      return mutateMessage(call(method, params), random);
    };
    expect(await fuzz({ share: 0.08, mutate, run: ask })).toEqual(useful);
    // It still works, whatever the messages freed.
    const model = await handle("load", { source: file, config: toyConfig });
    const empty = await handle("imagePredictor", { model, options });
    const again = await handle("setImages", { images: [noiseImage(20, 16)], like: empty });
    expect(await ask(call("predict", { images: again, prompts: [click], options: {} }))).toHaveLength(1);
    await ask(call("close", undefined));
    expect(host.live).toBe(0);
    await host.dispose();
  });
});
