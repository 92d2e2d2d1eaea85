import { type PresetName, presets } from "../model/config.ts";

/** A `.pt` that Meta publishes, on its own server and, the same bytes, in `facebook/NAME` on Hugging Face. */
interface OfficialFile {
  readonly sha256: string;
  /** A commit of the repository on Hugging Face that holds it; where none is known its newest serves: the hash holds it. */
  readonly commit?: string;
}

/** Meta lists no hashes: each is what several independent projects recorded of their download, as are the commits. */
export const official: Readonly<Record<PresetName, OfficialFile>> = {
  "sam2.1-hiera-tiny": {
    sha256: "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
    commit: "de431c4043854a71d8101e17995dfe596bf101a5",
  },
  "sam2.1-hiera-small": {
    sha256: "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
    commit: "ee5bba1d82bb8749febdf90f45e84b687142ba03",
  },
  "sam2.1-hiera-base-plus": {
    sha256: "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    commit: "b7320756a13354e7530a63935656d35b2f91a290",
  },
  "sam2.1-hiera-large": {
    sha256: "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
    commit: "665f8e2ad61cf5f53d65644ff27c8ee525124610",
  },
  "sam2-hiera-tiny": {
    sha256: "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
    commit: "7c218beaf0bb87874785f32b582f640134fc1c09",
  },
  "sam2-hiera-small": {
    sha256: "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
    commit: "e080ada8afd19df5e165abe71b006edc7f4c3d4e",
  },
  "sam2-hiera-base-plus": {
    sha256: "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
  },
  "sam2-hiera-large": {
    sha256: "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
    commit: "e6a8e8809b8f1bfa2238b6d080f3d05cc76bd251",
  },
};

/** `sam2.1_hiera_base_plus.pt` */
export function officialFile(name: PresetName): string {
  return `${name.replaceAll("-", "_")}.pt`;
}

/** Where Meta publishes a model's `.pt`. */
export function officialUrl(name: PresetName): string {
  const release = presets[name].version === "2.1" ? "092824" : "072824";
  return `https://dl.fbaipublicfiles.com/segment_anything_2/${release}/${officialFile(name)}`;
}
