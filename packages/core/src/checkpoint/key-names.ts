import { CheckpointError } from "../errors.ts";
import { encoders, memories } from "../model/kinds.ts";
import type { Rename } from "../model/renames.ts";
import type { ByteSource } from "./byte-source.ts";
import type { WeightEntry } from "./weight-store.ts";

/** Those of what no kind has for itself. */
const common: readonly Rename[] = [
  [/^vision_encoder\.neck\.convs\.(\d+)\./, "image_encoder.neck.convs.$1.conv."],
  [/^mask_decoder\./, "sam_mask_decoder."],
  [/^prompt_encoder\./, "sam_prompt_encoder."],
  [/^object_pointer_proj\./, "obj_ptr_proj."],
  [/^temporal_positional_encoding_projection_layer\./, "obj_ptr_tpos_proj."],
  [/^memory_temporal_positional_encoding$/, "maskmem_tpos_enc"],
  [/^no_memory_embedding$/, "no_mem_embed"],
  [/^no_memory_positional_encoding$/, "no_mem_pos_enc"],
  [/^no_object_pointer$/, "no_obj_ptr"],
  [/^occlusion_spatial_embedding_parameter$/, "no_obj_embed_spatial"],
  [
    /^(?:shared_image_embedding|sam_prompt_encoder\.shared_embedding)\.positional_embedding$/,
    "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
  ],

  [/\.mask_embed\.conv1\./, ".mask_downscaling.0."],
  [/\.mask_embed\.layer_norm1\./, ".mask_downscaling.1."],
  [/\.mask_embed\.conv2\./, ".mask_downscaling.3."],
  [/\.mask_embed\.layer_norm2\./, ".mask_downscaling.4."],
  [/\.mask_embed\.conv3\./, ".mask_downscaling.6."],
  [/\.upscale_conv1\./, ".output_upscaling.0."],
  [/\.upscale_layer_norm\./, ".output_upscaling.1."],
  [/\.upscale_conv2\./, ".output_upscaling.3."],

  // two-layer MLPs are called mlp, all others have three layers
  [/\.mlp\.proj_in\./, ".mlp.layers.0."],
  [/\.mlp\.proj_out\./, ".mlp.layers.1."],
  [/^(obj_ptr_proj|.*(?:_head|_mlps\.\d+))\.layers\.0\./, "$1.layers.1."],
  [/\.proj_in\./, ".layers.0."],
  [/\.proj_out\./, ".layers.2."],

  [/\.o_proj\./, ".out_proj."],
  [/\.layer_norm(\d|_final_attn)?\./, ".norm$1."],
];

/** transformers' names to official ones; every rule that matches applies, in this order. */
const renames: readonly Rename[] = [
  ...Object.values(encoders).flatMap((kind) => kind.renames),
  ...Object.values(memories).flatMap((kind) => kind.renames),
  ...common,
];

const downsamplerLayer = /^(memory_encoder\.mask_downsampler)\.layers\.(\d+)\.(conv|layer_norm)\./;
const pointEmbedding = "sam_prompt_encoder.point_embed.weight";

/** The official SAM 2 key of a tensor that transformers calls `name`. */
export function officialName(name: string): string {
  const start = name.replace(downsamplerLayer, (_, scope: string, layer: string, kind: string) => {
    return `${scope}.encoder.${3 * Number(layer) + (kind === "conv" ? 0 : 1)}.`;
  });
  return renames.reduce((key, [pattern, replacement]) => key.replace(pattern, replacement), start);
}

/** What DataParallel, `torch.compile` and trainers put before a model's own names. */
const wrapper =
  /^(?:module|model)\.(?=(?:(?:module|model|_orig_mod)\.)*(?:image_encoder|vision_encoder|sam_|mask_decoder|prompt_encoder|memory_|obj_ptr_|object_pointer_|no_|maskmem_|mask_downsample|shared_image_embedding|temporal_|occlusion_))/;

/**
 * The same tensors without what wrappers put before their names, and `torch.compile` into them; nothing is copied. A name
 * that comes out twice throws a `CheckpointError` with code "duplicate-name".
 */
export function withoutWrappers(entries: readonly WeightEntry[]): readonly WeightEntry[] {
  const names = new Set<string>();
  return entries.map((entry) => {
    let name = entry.name.replaceAll("_orig_mod.", "");
    while (wrapper.test(name)) name = name.replace(wrapper, "");
    if (names.has(name)) throw duplicate(entry, name);
    names.add(name);
    return name === entry.name ? entry : { ...entry, name };
  });
}

function duplicate(entry: WeightEntry, name: string): CheckpointError {
  const file = entry.source.name;
  return new CheckpointError("duplicate-name", `${file}: two tensors are ${name} (one: ${entry.name})`, {
    details: { file, name },
  });
}

/**
 * The same tensors under their official SAM 2 keys, whichever of the two naming schemes they have; nothing is copied.
 * transformers keeps the four point embeddings in one tensor, which becomes four, and the positional matrix twice,
 * which becomes one; where a kind of memory says so, rows that it keeps apart are joined. Counters of training steps are
 * left out. Any other name that comes out twice throws a `CheckpointError` with code "duplicate-name".
 */
export function withOfficialNames(entries: readonly WeightEntry[]): readonly WeightEntry[] {
  const used = entries.filter(({ name }) => !counter.test(name));
  if (!used.some(({ name }) => name.startsWith("vision_encoder."))) return used;
  const byName = new Map<string, WeightEntry>();
  const parts = new Map<string, readonly string[]>();
  for (const entry of used) {
    const name = officialName(entry.name);
    const known = byName.get(name);
    if (known !== undefined) {
      if (entry.name.endsWith(".positional_embedding")) continue;
      throw duplicate(entry, name);
    }
    const whole = partOf.exec(name)?.[1];
    if (whole !== undefined) parts.set(whole, [...(parts.get(whole) ?? []), name]);
    const rows = name === pointEmbedding ? splitRows(entry) : [{ ...entry, name }];
    for (const row of rows) byName.set(row.name, row);
  }
  for (const [whole, names] of parts) {
    const rows = [...names].sort().map((name) => byName.get(name) as WeightEntry);
    for (const name of names) byName.delete(name);
    byName.set(whole, joinRows(whole, rows));
  }
  return [...byName.values()];
}

/** Counts of training steps, which nothing is computed with. */
const counter = /\.num_batches_tracked$/;
/** What `to_kv.weight[1]` is a part of. */
const partOf = /^(.*)\[\d\]$/;

/** Rows of several tensors as those of one, wherever they lie. */
function joinRows(name: string, rows: readonly WeightEntry[]): WeightEntry {
  const [first] = rows as readonly [WeightEntry];
  const alike = ({ dims, dtype }: WeightEntry): string => `${dtype} ${dims.slice(1).join()}`;
  const other = rows.find((entry) => alike(entry) !== alike(first));
  if (other !== undefined) {
    throw new CheckpointError(
      "not-this-model",
      `${first.source.name}: ${name} is made of ${first.name} and ${other.name}, whose rows differ`,
      { details: { file: first.source.name, name, rows: [alike(first), alike(other)] } },
    );
  }
  const byteLength = rows.reduce((sum, entry) => sum + entry.byteLength, 0);
  const count = rows.reduce((sum, { dims }) => sum + (dims[0] ?? 0), 0);
  const { crc32: _, ...entry } = first;
  return { ...entry, name, dims: [count, ...first.dims.slice(1)], source: joinedSource(rows), offset: 0, byteLength };
}

/** The bytes of several tensors one after another; the files that they lie in are closed with their other tensors. */
function joinedSource(parts: readonly WeightEntry[]): ByteSource {
  return {
    name: parts[0]?.source.name ?? "",
    size: parts.reduce((sum, { byteLength }) => sum + byteLength, 0),
    read: async (offset, length, options) => {
      const bytes = new Uint8Array(length);
      let start = 0;
      for (const part of parts) {
        const [from, to] = [Math.max(offset, start), Math.min(offset + length, start + part.byteLength)];
        if (from < to) bytes.set(await part.source.read(part.offset + from - start, to - from, options), from - offset);
        start += part.byteLength;
      }
      return bytes;
    },
  };
}

function splitRows({ crc32: _, ...entry }: WeightEntry): readonly WeightEntry[] {
  const [count = 0, ...rest] = entry.dims;
  const byteLength = entry.byteLength / count;
  return Array.from({ length: Math.min(count, 4096) }, (_, i) => ({
    ...entry,
    name: `sam_prompt_encoder.point_embeddings.${i}.weight`,
    dims: [1, ...rest],
    offset: entry.offset + i * byteLength,
    byteLength,
  }));
}
