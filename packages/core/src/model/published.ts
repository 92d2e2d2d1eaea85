import { isPresetName, type PresetName } from "./config.ts";

/** Where a model was published, and what is known of its file. */
export interface PublishedModel {
  /** On Hugging Face. */
  readonly repository: string;
  /** The authors' checkpoint there. */
  readonly file: string;
  /** Whether the repository has transformers' `model.safetensors` too, which Node asks for first. */
  readonly safetensors: boolean;
  /** Where Meta publishes `file`, the same bytes, beside Hugging Face. */
  readonly direct?: string;
  /** Of `file`, where it is known: none of the authors lists one, so it is what others recorded of their download. */
  readonly sha256?: string;
  /** A commit of the repository that holds `file`; where none is known its newest serves. */
  readonly commit?: string;
  /** Of the weights. */
  readonly license: string;
}

const meta = "https://dl.fbaipublicfiles.com/segment_anything_2";

/** A model of Meta's, whose repository is called as it is. */
function hiera(name: string, release: string, known: Pick<PublishedModel, "sha256" | "commit">): PublishedModel {
  const file = `${name.replaceAll("-", "_")}.pt`;
  const repository = `facebook/${name}`;
  const direct = `${meta}/${release}/${file}`;
  return { repository, file, safetensors: true, direct, ...known, license: "Apache-2.0" };
}

const edgeTam: PublishedModel = {
  repository: "facebook/EdgeTAM",
  file: "edgetam.pt",
  safetensors: false,
  direct: "https://github.com/facebookresearch/EdgeTAM/raw/main/checkpoints/edgetam.pt",
  sha256: "ed2d4850b8792c239689b043c47046ec239b6e808a3d9b6ae676c803fd8780df",
  license: "Apache-2.0",
};

/** EfficientTAM's models share one repository. */
function efficientTam(file: string): PublishedModel {
  return { repository: "yunyangx/efficient-track-anything", file, safetensors: false, license: "Apache-2.0" };
}

/** Every preset's: one that is left out does not compile. */
export const published: Readonly<Record<PresetName, PublishedModel>> = {
  "sam2.1-hiera-tiny": hiera("sam2.1-hiera-tiny", "092824", {
    sha256: "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
    commit: "de431c4043854a71d8101e17995dfe596bf101a5",
  }),
  "sam2.1-hiera-small": hiera("sam2.1-hiera-small", "092824", {
    sha256: "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
    commit: "ee5bba1d82bb8749febdf90f45e84b687142ba03",
  }),
  "sam2.1-hiera-base-plus": hiera("sam2.1-hiera-base-plus", "092824", {
    sha256: "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    commit: "b7320756a13354e7530a63935656d35b2f91a290",
  }),
  "sam2.1-hiera-large": hiera("sam2.1-hiera-large", "092824", {
    sha256: "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
    commit: "665f8e2ad61cf5f53d65644ff27c8ee525124610",
  }),
  "sam2-hiera-tiny": hiera("sam2-hiera-tiny", "072824", {
    sha256: "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
    commit: "7c218beaf0bb87874785f32b582f640134fc1c09",
  }),
  "sam2-hiera-small": hiera("sam2-hiera-small", "072824", {
    sha256: "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
    commit: "e080ada8afd19df5e165abe71b006edc7f4c3d4e",
  }),
  "sam2-hiera-base-plus": hiera("sam2-hiera-base-plus", "072824", {
    sha256: "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
  }),
  "sam2-hiera-large": hiera("sam2-hiera-large", "072824", {
    sha256: "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
    commit: "e6a8e8809b8f1bfa2238b6d080f3d05cc76bd251",
  }),
  edgetam: edgeTam,
  "efficienttam-s": efficientTam("efficienttam_s.pt"),
  "efficienttam-s-1": efficientTam("efficienttam_s_1.pt"),
  "efficienttam-s-2": efficientTam("efficienttam_s_2.pt"),
  "efficienttam-s-512": efficientTam("efficienttam_s_512x512.pt"),
  "efficienttam-ti": efficientTam("efficienttam_ti.pt"),
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

/** Where a model's authors publish its `.pt`. */
export function officialUrl(name: PresetName): string {
  const { direct, repository, file } = published[name];
  return direct ?? `https://huggingface.co/${repository}/resolve/main/${file}`;
}

/** Whether a checkpoint of this name, or under this path or address, is called as the preset or its published file. */
export function isNamedAfter(preset: PresetName, path: string): boolean {
  const plain = (name: string): string => name.replace(/\.(pt|pth|safetensors)$/, "").replaceAll("-", "_");
  const called = plain(path.split(/[/\\]/).at(-1) ?? "");
  return called === plain(preset) || called === plain(published[preset].file);
}
