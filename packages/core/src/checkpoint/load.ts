import type { AbortSignalLike } from "../abort.ts";
import { CheckpointError } from "../errors.ts";
import { isPresetName, type PresetName, presets, type Sam2Config } from "../model/config.ts";
import { encoderOf } from "../model/image-encoder.ts";
import { isNamedAfter } from "../model/published.ts";
import { checkKeys, signalKeys } from "../options.ts";
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
  checkKeys("openCheckpoint", options, signalKeys);
  const head = await source.read(0, Math.min(source.size, 16), options);
  const read = sniff(source, head);
  const store = weightStore(source.name, withOfficialNames(withoutWrappers(await read(source, options))));
  return { ...store, sha256: async () => source.sha256?.() };
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

/**
 * The published model whose shapes these are, if it is one. Where several models have the same shapes, it is the one that
 * the checkpoint is called after (`efficienttam_s_512x512.pt`), or none: nothing else tells them apart.
 */
export function recognise(store: WeightStore): Sam2Config | undefined {
  const fitting = fittingPresets(store);
  const [only, second] = fitting;
  if (second === undefined) return only && presets[only];
  const named = fitting.find((name) => isNamedAfter(name, store.name));
  return named && presets[named];
}

/** The published models whose shapes these are. */
function fittingPresets(store: WeightStore): readonly PresetName[] {
  const version = tells21.some((name) => store.entries.has(name)) ? "2.1" : "2.0";
  return Object.keys(presets)
    .filter(isPresetName)
    .filter((name) => {
      const preset = presets[name];
      return preset.version === version && encoderOf(preset).recognise(store, preset);
    });
}

/**
 * Whose weights these are: `config` if it is given, else the published model that their shapes, and among those of the
 * same shapes the checkpoint's name, show. Throws a `CheckpointError` with code "config-missing" where neither tells;
 * whether every tensor fits is `checkInventory`'s.
 */
export function identify(store: WeightStore, config?: Sam2Config): Sam2Config {
  const found = config ?? recognise(store);
  if (found !== undefined) return found;
  const choices = fittingPresets(store);
  const problem =
    choices.length > 0
      ? `its tensors are those of ${choices.join(", ")} alike, and it is called after none of them: give the config of ` +
        "the one that it is, or name the file as it was published"
      : `its tensors are not those of a published model (${Object.keys(presets).join(", ")}), and their shapes alone do ` +
        "not show image size, windows and global attention: give its config";
  throw new CheckpointError("config-missing", `${store.name}: ${problem}`, {
    details: { file: store.name, tensors: store.entries.size, choices },
  });
}

const tells21 = ["obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias", "no_obj_embed_spatial"];
