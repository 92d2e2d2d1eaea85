import { isPresetName, type PresetName } from "./config.ts";

/** Where a model was published, and what is known of its file. */
export interface PublishedModel {
  /** On Hugging Face. */
  readonly repository: string;
  /** The authors' checkpoint there. */
  readonly file: string;
  /** Whether the repository has transformers' `model.safetensors` too, which is asked for first. */
  readonly safetensors: boolean;
  /** Where Meta publishes `file` beside Hugging Face. */
  readonly direct?: string;
  /** Of `file`, where it is known: none of the authors lists one, so it is what others recorded of their download. */
  readonly sha256?: string;
  /** Of `file`, in bytes, as far as it is known: EdgeTAM's to 0.1 MB. */
  readonly size?: number;
  /** Of the weights. */
  readonly license: string;
}

const meta = "https://dl.fbaipublicfiles.com/segment_anything_2";

/** A model of Meta's, whose repository is called as it is. */
function hiera(name: string, release: string, sha256: string): PublishedModel {
  const file = `${name.replaceAll("-", "_")}.pt`;
  const repository = `facebook/${name}`;
  const direct = `${meta}/${release}/${file}`;
  return { repository, file, safetensors: true, direct, sha256, license: "Apache-2.0" };
}

const edgeTam: PublishedModel = {
  repository: "facebook/EdgeTAM",
  file: "edgetam.pt",
  safetensors: false,
  direct: "https://github.com/facebookresearch/EdgeTAM/raw/main/checkpoints/edgetam.pt",
  sha256: "ed2d4850b8792c239689b043c47046ec239b6e808a3d9b6ae676c803fd8780df",
  size: 56_100_000,
  license: "Apache-2.0",
};

/** EfficientTAM's models share one repository. */
function efficientTam(file: string, size?: number): PublishedModel {
  const repository = "yunyangx/efficient-track-anything";
  return { repository, file, safetensors: false, license: "Apache-2.0", ...(size !== undefined && { size }) };
}

/** Every preset's: one that is left out does not compile. */
export const published: Readonly<Record<PresetName, PublishedModel>> = {
  "sam2.1-hiera-tiny": hiera(
    "sam2.1-hiera-tiny",
    "092824",
    "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
  ),
  "sam2.1-hiera-small": hiera(
    "sam2.1-hiera-small",
    "092824",
    "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
  ),
  "sam2.1-hiera-base-plus": hiera(
    "sam2.1-hiera-base-plus",
    "092824",
    "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
  ),
  "sam2.1-hiera-large": hiera(
    "sam2.1-hiera-large",
    "092824",
    "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
  ),
  "sam2-hiera-tiny": hiera(
    "sam2-hiera-tiny",
    "072824",
    "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
  ),
  "sam2-hiera-small": hiera(
    "sam2-hiera-small",
    "072824",
    "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
  ),
  "sam2-hiera-base-plus": hiera(
    "sam2-hiera-base-plus",
    "072824",
    "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
  ),
  "sam2-hiera-large": hiera(
    "sam2-hiera-large",
    "072824",
    "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
  ),
  edgetam: edgeTam,
  "efficienttam-s": efficientTam("efficienttam_s.pt", 136_375_868),
  "efficienttam-s-1": efficientTam("efficienttam_s_1.pt", 136_376_327),
  "efficienttam-s-2": efficientTam("efficienttam_s_2.pt", 136_376_327),
  "efficienttam-s-512": efficientTam("efficienttam_s_512x512.pt", 136_379_145),
  "efficienttam-ti": efficientTam("efficienttam_ti.pt", 71_616_316),
  "efficienttam-ti-1": efficientTam("efficienttam_ti_1.pt"),
  "efficienttam-ti-2": efficientTam("efficienttam_ti_2.pt"),
  "efficienttam-ti-512": efficientTam("efficienttam_ti_512x512.pt"),
};

/** The preset that a name (`sam2.1-hiera-tiny`) or a repository that has no other (`facebook/sam2.1-hiera-tiny`) is of. */
export function presetNamed(nameOrRepository: string): PresetName | undefined {
  if (isPresetName(nameOrRepository)) return nameOrRepository;
  const [only, second] = presetsIn(nameOrRepository);
  return second === undefined ? only : undefined;
}

/** The presets that a repository on Hugging Face holds. */
export function presetsIn(repository: string): readonly PresetName[] {
  return Object.keys(published)
    .filter(isPresetName)
    .filter((name) => published[name].repository === repository);
}

/** Where a preset's `file` is. */
export function publishedUrl(name: PresetName): string {
  const { direct, repository, file } = published[name];
  return direct ?? `https://huggingface.co/${repository}/resolve/main/${file}`;
}

/** Whether a checkpoint of this name, or under this path or address, is called as the preset or its published file. */
export function isNamedAfter(preset: PresetName, path: string): boolean {
  const plain = (name: string): string => name.replace(/\.(pt|pth|safetensors)$/, "").replaceAll("-", "_");
  const called = plain(path.split(/[/\\]/).at(-1) ?? "");
  return called === plain(preset) || called === plain(published[preset].file);
}
