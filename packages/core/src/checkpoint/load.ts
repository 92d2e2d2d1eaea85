import type { AbortSignalLike } from "../abort.ts";
import { CheckpointError } from "../errors.ts";
import { presets, type Sam2Config } from "../model/config.ts";
import { encoderOf } from "../model/image-encoder.ts";
import type { ByteSource } from "./byte-source.ts";
import { withOfficialNames, withoutWrappers } from "./key-names.ts";
import { isLegacyPytorch, readLegacyPytorch, readPytorch } from "./pytorch.ts";
import { readSafetensors } from "./safetensors.ts";
import { decodeUtf8 } from "./utf8.ts";
import { type WeightStore, weightStore } from "./weight-store.ts";

/**
 * Opens a checkpoint, recognised by its bytes: PyTorch's zip, its format before 1.6, or safetensors; with official or
 * transformers names, also behind what wrappers put before them (`module.`, `_orig_mod.`, `model.`).
 * Tensors are not read until they are asked for. The store closes `source`; where opening fails, the caller does.
 *
 * Throws a `CheckpointError`: "unknown-format" for anything else, and what `readPytorch` and `readSafetensors` throw.
 */
export async function openCheckpoint(
  source: ByteSource,
  options: { readonly signal?: AbortSignalLike } = {},
): Promise<WeightStore> {
  const head = await source.read(0, Math.min(source.size, 16), options);
  const read = sniff(source, head);
  return weightStore(source.name, withOfficialNames(withoutWrappers(await read(source, options))));
}

function sniff(source: ByteSource, head: Uint8Array): typeof readPytorch {
  const starts = (...bytes: readonly number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x50, 0x4b)) return readPytorch;
  if (isLegacyPytorch(head)) return readLegacyPytorch;
  if (head[8] === 0x7b) return readSafetensors; // eight bytes of length, then a JSON object
  const hint = starts(0x80, 0x02)
    ? "it is a bare pickle, which may hold anything: save the model's state dict with torch.save"
    : decodeUtf8(head)?.startsWith("version https://") === true
      ? "it is a Git LFS pointer: fetch the file itself"
      : source.size === 0
        ? "it is empty"
        : "it is neither a PyTorch checkpoint nor a safetensors file";
  throw new CheckpointError("unknown-format", `${source.name}: ${hint}`, {
    details: { file: source.name, size: source.size, head: Array.from(head) },
  });
}

/** The one of Meta's eight models whose shapes these are, if it is one. */
export function recognise(store: WeightStore): Sam2Config | undefined {
  const version = tells21.some((name) => store.entries.has(name)) ? "2.1" : "2.0";
  return Object.values(presets).find(
    (preset) => preset.version === version && encoderOf(preset).recognise(store, preset),
  );
}

/**
 * Whose weights these are: `config` if it is given, else the one of Meta's eight models that their shapes show. Throws a
 * `CheckpointError` with code "config-missing" where neither tells; whether every tensor fits is `checkInventory`'s.
 */
export function identify(store: WeightStore, config?: Sam2Config): Sam2Config {
  const found = config ?? recognise(store);
  if (found !== undefined) return found;
  throw new CheckpointError(
    "config-missing",
    `${store.name}: its tensors are not those of one of Meta's models (${Object.keys(presets).join(", ")}), and their ` +
      "shapes alone do not show image size, windows and global attention: give its config",
    { details: { file: store.name, tensors: store.entries.size } },
  );
}

const tells21 = ["obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias", "no_obj_embed_spatial"];
