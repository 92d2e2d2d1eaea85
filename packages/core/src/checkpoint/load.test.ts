import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  bytesOf,
  checkpointError,
  pickle,
  random,
  safetensors,
  torchTensor,
  torchZip,
} from "../../test/checkpoint-files.ts";
import { CheckpointError } from "../errors.ts";
import { type PresetName, parseConfig, presets, type Sam2Config } from "../model/config.ts";
import { checkInventory, inventory } from "../model/inventory.ts";
import { published } from "../model/published.ts";
import { fileSource } from "../node/file-source.ts";
import { float32, type HostTensor } from "../tensor/tensor.ts";
import { hashedWeights } from "../testing/hashed-weights.ts";
import { type ByteSource, bytesSource } from "./byte-source.ts";
import { identify, openCheckpoint } from "./load.ts";
import { writeSafetensors } from "./safetensors.ts";
import { encodeUtf8 } from "./utf8.ts";
import { verifyChecksums, type WeightStore } from "./weight-store.ts";

const nano = fileURLToPath(new URL("../../../../../shared/nano/", import.meta.url));

describe.skipIf(!existsSync(nano))("nano (skipped where ../shared/nano is absent)", () => {
  const files = ["sam2.1_hiera_nano.pt", "sam2.1_hiera_nano.safetensors", "transformers/model.safetensors"];
  const config = (name: string): Sam2Config => parseConfig(JSON.parse(readFileSync(nano + name, "utf8")), "nano");

  test("the three formats hold the same weights under the same names", async () => {
    const stores = await Promise.all(files.map(async (file) => openCheckpoint(await fileSource(nano + file))));
    const [first, ...others] = stores;
    if (first === undefined) throw new Error("no store");
    expect([...first.entries.keys()].sort()).toEqual([...inventory(config("sam2.1_hiera_nano.json")).keys()].sort());
    for (const other of others) {
      expect([...other.entries.keys()].sort()).toEqual([...first.entries.keys()].sort());
      for (const name of first.entries.keys()) {
        const [ours, theirs] = await Promise.all([first.read(name), other.read(name)]);
        expect(theirs.dims).toEqual(ours.dims);
        const equal = Buffer.compare(bytesOf(ours.data), bytesOf(theirs.data)) === 0;
        if (!equal) expect(`${name} of ${other.name}`).toBe("equal");
      }
    }
    await Promise.all(stores.map((store) => store.close()));
  });

  test("both configs say the same, and fit", async () => {
    const [reference, transformers] = [config("sam2.1_hiera_nano.json"), config("transformers/config.json")];
    expect(transformers).toEqual(reference);
    for (const file of files) {
      const store = await openCheckpoint(bytesSource(readFileSync(nano + file), file));
      checkInventory(store, identify(store, reference));
      await verifyChecksums(store);
      const error = await checkpointError(() => identify(store));
      expect(error.code).toBe("config-missing");
    }
  });

  test.each(files)("%s cut off", async (file) => {
    const whole = readFileSync(nano + file);
    const next = random(4);
    const lengths = [0, 1, 4, 7, 8, 9, 16, 30, 1000, whole.length - 1, whole.length - 22, whole.length - 23];
    for (let i = 0; i < 40; i++) lengths.push(Math.floor(next() * whole.length));
    for (const length of lengths) {
      const error = await checkpointError(() => openCheckpoint(bytesSource(whole.subarray(0, length), file)));
      expect(["truncated", "unknown-format"]).toContain(error.code);
    }
  });

  test("one flipped bit of the .pt's tensors is found", async () => {
    const whole = new Uint8Array(readFileSync(nano + files[0]));
    const store = await openCheckpoint(bytesSource(whole, "nano.pt"));
    const { offset = 0 } = store.entries.get("no_mem_embed") ?? {};
    whole[offset + 3] = (whole[offset + 3] ?? 0) ^ 16;
    for (const action of [() => verifyChecksums(store), () => store.read("no_mem_embed")]) {
      const error = await checkpointError(action);
      expect([error.code, error.message]).toEqual(["checksum-mismatch", expect.stringContaining("no_mem_embed")]);
    }
  });

  test("nano's weights as tiny name what is missing, left over and misshapen", async () => {
    const store = await openCheckpoint(bytesSource(readFileSync(nano + files[1]), "nano.safetensors"));
    const error = await checkpointError(() => checkInventory(store, presets["sam2.1-hiera-tiny"]));
    expect(error.code).toBe("not-this-model");
    expect(error.message).toMatch(/^nano\.safetensors is not sam2\.1-hiera-tiny: 114 tensors missing: /);
    expect(error.message).toMatch(
      /image_encoder\.trunk\.pos_embed \(expected \[1, 96, 7, 7\], found \[1, 32, 7, 7\]\)/,
    );
    expect(error.message.length).toBeLessThan(1500);
  });
});

const config = parseConfig({
  ...{ image_size: 64, embed_dim: 4, num_heads: 1, stages: [1, 1, 1, 1], global_att_blocks: [2], q_pool: 3 },
  ...{ window_spec: [4, 4, 4, 2], window_pos_embed_bkg_spatial_size: [2, 2], d_model: 16, mem_dim: 8 },
  ...{ fpn_top_down_levels: [2, 3], mask_decoder_mlp_dim: 8, memory_attention_layers: 1, num_maskmem: 2 },
  ...{ memory_attention_dim_feedforward: 8, max_obj_ptrs_in_encoder: 2, sam2_1: true, name: "toy" },
});

/** Real values, so that the files below are models. */
async function toyTensors(): Promise<Map<string, HostTensor>> {
  const store = hashedWeights(config);
  const names = [...store.entries.keys()];
  return new Map(await Promise.all(names.map(async (name) => [name, await store.read(name)] as const)));
}

describe("another model", () => {
  const open = async (tensors: ReadonlyMap<string, HostTensor>): Promise<WeightStore> =>
    openCheckpoint(bytesSource(writeSafetensors(tensors), "toy.safetensors"));

  test("fits its own config", async () => {
    checkInventory(await open(await toyTensors()), config);
  });

  test("one tensor of each kind of difference", async () => {
    const tensors = await toyTensors();
    tensors.delete("no_obj_ptr");
    tensors.set("head.weight", float32([1], Float32Array.of(1)));
    tensors.set("no_mem_embed", float32([1, 1, 15], new Float32Array(15)));
    tensors.set("mask_downsample.bias", { dtype: "int32", dims: [1], data: Int32Array.of(1) });
    const error = await checkpointError(async () => checkInventory(await open(tensors), config));
    expect(error.message).toBe(
      "toy.safetensors is not toy: 1 tensor missing: no_obj_ptr; 1 tensor left over: head.weight; " +
        "1 tensor of another shape: no_mem_embed (expected [1, 1, 16], found [1, 1, 15]); " +
        "1 tensor of another type: mask_downsample.bias (expected floats, found int32)",
    );
    expect(error.details).toEqual({
      file: "toy.safetensors",
      model: "toy",
      missing: ["no_obj_ptr"],
      leftOver: ["head.weight"],
      misshapen: [{ name: "no_mem_embed", expected: "[1, 1, 16]", actual: "[1, 1, 15]" }],
      wrongDtype: [{ name: "mask_downsample.bias", expected: "floats", actual: "int32" }],
    });
  });

  test("images need no video tensors", async () => {
    const needed = inventory(config, "image");
    const tensors = new Map([...(await toyTensors())].filter(([name]) => needed.has(name)));
    const store = await open(tensors);
    checkInventory(store, config, "image");
    expect((await checkpointError(() => checkInventory(store, config))).code).toBe("not-this-model");
  });
});

describe("identify", () => {
  const called = (preset: Sam2Config, name: string): WeightStore => ({ ...hashedWeights(preset), name });

  test.each(Object.entries(published))("%s from its shapes and its published name", (name, { file }) => {
    const preset = presets[name as PresetName];
    for (const path of [
      file,
      `models/x/${file}`,
      `C:\\models\\${file}`,
      `https://a.b/c/${file}`,
      `${name}.safetensors`,
    ]) {
      expect(identify(called(preset, path))).toBe(preset);
    }
  });

  test.each(Object.values(presets).filter(({ encoder }) => encoder.kind !== "vit"))(
    "$name from its shapes alone",
    (preset) => {
      expect(identify(called(preset, "bytes"))).toBe(preset);
    },
  );

  test("nothing is guessed where models are of one shape", async () => {
    for (const name of ["bytes", "efficienttam_s_3.pt", "model.safetensors", "sam2.1_hiera_tiny.pt"]) {
      const error = await checkpointError(() => identify(called(presets["efficienttam-s-1"], name)));
      expect(error.code).toBe("config-missing");
      const choices = ["efficienttam-s", "efficienttam-s-1", "efficienttam-s-2", "efficienttam-s-512"];
      expect(error.details["choices"]).toEqual(choices);
      expect(error.message).toContain(choices.join(", "));
    }
    const other = await checkpointError(() => identify(called(presets["efficienttam-ti"], "efficienttam_s.pt")));
    expect(other.message).toContain("efficienttam-ti, efficienttam-ti-1, efficienttam-ti-2, efficienttam-ti-512");
  });

  test("a config that is given counts", () => {
    expect(identify(hashedWeights(presets["sam2-hiera-tiny"]), config)).toBe(config);
  });
});

test.each<[string, Uint8Array, RegExp]>([
  ["an empty file", new Uint8Array(), /it is empty/],
  ["a bare pickle", pickle(1), /bare pickle/],
  ["a Git LFS pointer", encodeUtf8("version https://git-lfs.github.com/spec/v1\noid sha256:0"), /Git LFS pointer/],
  ["a picture", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13), /neither a PyTorch checkpoint nor/],
])("%s is not opened", async (_, bytes, message) => {
  const error = await checkpointError(() => openCheckpoint(bytesSource(bytes, "x")));
  expect([error.code, error.message]).toEqual(["unknown-format", expect.stringMatching(message)]);
});

test("a tensor that is not there", async () => {
  const store = await openCheckpoint(bytesSource(writeSafetensors(new Map()), "none.safetensors"));
  const error = await checkpointError(() => store.read("w"));
  expect([error.code, error.message]).toEqual(["no-such-tensor", "none.safetensors: there is no tensor w"]);
});

test("closing closes each source once", async () => {
  let closed = 0;
  const source: ByteSource = {
    ...bytesSource(writeSafetensors(await toyTensors())),
    close: async () => {
      closed++;
    },
  };
  await (await openCheckpoint(source)).close();
  expect(closed).toBe(1);
});

test("an abort stops opening and reading", async () => {
  const file = writeSafetensors(await toyTensors());
  const aborted = { signal: AbortSignal.abort(new Error("enough")) };
  await expect(openCheckpoint(bytesSource(file), aborted)).rejects.toThrow("enough");
  const store = await openCheckpoint(bytesSource(file));
  await expect(store.read("no_mem_embed", aborted)).rejects.toThrow("enough");
  const controller = new AbortController();
  const never: ByteSource = { name: "never", size: 1e6, read: () => new Promise(() => {}) };
  const [entry] = store.entries.values();
  if (entry === undefined) throw new Error("no entry");
  const { weightStore } = await import("./weight-store.ts");
  const waiting = weightStore("w", [{ ...entry, source: never }]).read(entry.name, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

describe("mutations either load or throw a CheckpointError", () => {
  /** Refuses reads that no part of so small a file needs: what a lying length would allocate. */
  const bounded = (bytes: Uint8Array): ByteSource => {
    const { read, name, size } = bytesSource(bytes, "mutant");
    return {
      name,
      size,
      read: (offset, length) => {
        if (length > 2 * bytes.length) throw new Error(`asks for ${length} bytes`);
        return read(offset, length);
      },
    };
  };

  const originals: readonly (readonly [string, () => Promise<Uint8Array>])[] = [
    ["safetensors", async () => writeSafetensors(new Map([...(await toyTensors())].slice(0, 12)))],
    ["transformers", async () => safetensors(transformersHeader(), new Uint8Array(44))],
    [
      "pt",
      async () => {
        const tensor = torchTensor({ type: "FloatStorage", key: "0", count: 6, dims: [2, 3] });
        const turned = torchTensor({ type: "HalfStorage", key: "1", count: 6, dims: [3, 2], strides: [1, 3] });
        return torchZip(
          {
            dict: [
              [
                "model",
                {
                  dict: [
                    ["a", tensor],
                    ["b", turned],
                  ],
                },
              ],
            ],
          },
          {
            0: new Uint8Array(24),
            1: new Uint8Array(12),
          },
        );
      },
    ],
  ];

  test.each(originals)("%s", async (_, make) => {
    const original = await make();
    const next = random(5);
    const outcomes = { loaded: 0, failed: 0 };
    for (let i = 0; i < 3000; i++) {
      const bytes = Uint8Array.from(original);
      for (let changes = 1 + (i % 4); changes > 0; changes--) {
        const at = Math.floor(next() * bytes.length);
        // a flipped bit, or an extreme value
        bytes[at] = next() < 0.7 ? (bytes[at] ?? 0) ^ (1 << Math.floor(next() * 8)) : next() < 0.5 ? 0xff : 0;
      }
      try {
        const store = await openCheckpoint(bounded(bytes));
        for (const name of store.entries.keys()) await store.read(name);
        outcomes.loaded++;
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        outcomes.failed++;
      }
    }
    expect(outcomes.loaded).toBeGreaterThan(100);
    expect(outcomes.failed).toBeGreaterThan(100);
  });

  function transformersHeader(): object {
    const f16 = (shape: readonly number[], begin: number, end: number): object => {
      return { dtype: "F16", shape, data_offsets: [begin, end] };
    };
    return {
      "vision_encoder.backbone.pos_embed": f16([1, 3], 0, 6),
      "prompt_encoder.point_embed.weight": f16([4, 2], 6, 22),
      "shared_image_embedding.positional_embedding": f16([2], 22, 26),
      no_memory_embedding: f16([9], 26, 44),
    };
  }
});
