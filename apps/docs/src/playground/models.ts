/** The models that the playground offers. */
import { parseConfig, type Sam2Config } from "@masklet/core";
import { hubUrl, type PresetName, published } from "@masklet/core/web";

/** A model as the page names it. The page's HTML has the list, so that whoever hosts it can change addresses there. */
export interface OfferedModel {
  /** A published model's name. */
  readonly name: string;
  /** Where its file is fetched from, once it is asked for. */
  readonly url: string;
  readonly sha256?: string;
  /** Of a model that is none of the published ones: what `parseConfig` takes. */
  readonly config?: unknown;
  /** Size of the file, rounded. */
  readonly bytes: number;
  /** What it is good for. */
  readonly about: string;
}

const about: readonly (readonly [PresetName, number, string])[] = [
  ["edgetam", 56e6, "small and quick, also for video"],
  ["efficienttam-ti-512", 72e6, "the quickest video, coarser edges"],
  ["sam2.1-hiera-tiny", 156e6, "good masks"],
  ["sam2.1-hiera-small", 184e6, "better ones"],
  ["sam2.1-hiera-base-plus", 324e6, "better still, slow without a GPU"],
  ["sam2.1-hiera-large", 898e6, "the best, for a good GPU"],
];

export const offeredModels: readonly OfferedModel[] = about.map(([name, bytes, what]) => {
  const { repository, file, commit, sha256 } = published[name];
  const url = hubUrl(repository, file, commit);
  return { name, url, ...(sha256 !== undefined && { sha256 }), bytes, about: what };
});

/** Which is offered first for a photograph, and for a video, of which every frame is encoded. */
export const recommended = { picture: "sam2.1-hiera-tiny", video: "edgetam" } as const satisfies Readonly<
  Record<string, PresetName>
>;

/** What loading a model is told of its sizes. */
export const configOf = ({ config }: { readonly config?: unknown }): { readonly config?: Sam2Config } =>
  config === undefined ? {} : { config: parseConfig(config) };

/** "156 MB" */
export const megabytes = (bytes: number): string => `${Math.max(1, Math.round(bytes / 1e6))} MB`;
