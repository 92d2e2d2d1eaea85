/** Where the files of a model are: a checkpoint and the sizes that its tensors' shapes do not show. */
export interface ModelFiles {
  /** The weights, as safetensors. */
  readonly checkpoint: URL;
  /** The config, as JSON. */
  readonly config: URL;
}

/**
 * nano, a small SAM 2.1 (image size 256, 3.4 M parameters): `file:` URLs in Node, URLs of emitted assets in a bundle.
 *
 * Each is written as `new URL(literal, import.meta.url)`, the form that bundlers look for.
 */
export const nanoModel: ModelFiles = Object.freeze({
  checkpoint: new URL("../sam2.1_hiera_nano.safetensors", import.meta.url),
  config: new URL("../sam2.1_hiera_nano.json", import.meta.url),
});
