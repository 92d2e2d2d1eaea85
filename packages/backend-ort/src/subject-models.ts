/** The published models of saliency and matting: what each takes and gives, and how its files are told from the others'. */
import type { OnnxModel, OnnxValue } from "./onnx-model.ts";

/** A kind of model that finds subjects. */
export type SubjectModelKind = "u2net" | "isnet" | "birefnet" | "modnet" | "rmbg-1.4" | "rmbg-2.0";

/** What a kind takes and gives. */
export interface SubjectModel {
  /** In words, with its forms. */
  readonly title: string;
  /** Of the published weights. */
  readonly licence: string;
  /** Whether the licence of the published weights keeps them from commercial use. Such a kind is taken by its name alone. */
  readonly nonCommercial: boolean;
  /**
   * Side of the square that the picture is stretched to, where the file leaves it open; or the short side that it is
   * brought to, in multiples of 32, with its proportions.
   */
  readonly size: { readonly square: number } | { readonly shortSide: number };
  /** What 1 is of the colours: 255, or the brightest of the picture. */
  readonly white: 255 | "brightest";
  /** Of red, green and blue between 0 and 1. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** What the output is: logits, shares of 0 to 1, or shares to be stretched to 0 to 1. */
  readonly output: "logits" | "shares" | "stretched";
}

/** ImageNet's. */
const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const half = [0.5, 0.5, 0.5] as const;
const one = [1, 1, 1] as const;

export const subjectModels: { readonly [K in SubjectModelKind]: SubjectModel } = {
  // xuebinqin/U-2-Net: data_loader.py (RescaleT 320, ToTensorLab), u2net_test.py (normPRED). Silueta is the same.
  u2net: {
    title: "U2-Net, U2-Net-p, U2-Net human, Silueta",
    licence: "Apache-2.0",
    nonCommercial: false,
    size: { square: 320 },
    white: "brightest",
    ...imageNet,
    output: "stretched",
  },
  // xuebinqin/DIS: IS-Net/Inference.py
  isnet: {
    title: "IS-Net (DIS), isnet-general-use",
    licence: "Apache-2.0",
    nonCommercial: false,
    size: { square: 1024 },
    white: 255,
    mean: half,
    std: one,
    output: "stretched",
  },
  // ZhengPeng7/BiRefNet: README; the last sigmoid is not in its graph.
  birefnet: {
    title: "BiRefNet, BiRefNet_lite, and their forms for portraits and matting",
    licence: "MIT",
    nonCommercial: false,
    size: { square: 1024 },
    white: 255,
    ...imageNet,
    output: "logits",
  },
  // ZHKKKe/MODNet: onnx/inference_onnx.py; Apache-2.0 since January 2022.
  modnet: {
    title: "MODNet (people)",
    licence: "Apache-2.0",
    nonCommercial: false,
    size: { shortSide: 512 },
    white: 255,
    mean: half,
    std: half,
    output: "shares",
  },
  // briaai/RMBG-1.4: utilities.py
  "rmbg-1.4": {
    title: "BRIA RMBG-1.4",
    licence: "bria-rmbg-1.4 (non-commercial)",
    nonCommercial: true,
    size: { square: 1024 },
    white: 255,
    mean: half,
    std: one,
    output: "stretched",
  },
  // briaai/RMBG-2.0: README; its ONNX files end in a sigmoid.
  "rmbg-2.0": {
    title: "BRIA RMBG-2.0",
    licence: "CC-BY-NC-4.0",
    nonCommercial: true,
    size: { square: 1024 },
    white: 255,
    ...imageNet,
    output: "shares",
  },
};

/** Every kind's name. */
export const subjectModelKinds: readonly SubjectModelKind[] = [
  "u2net",
  "isnet",
  "birefnet",
  "modnet",
  "rmbg-1.4",
  "rmbg-2.0",
];

/** How the kinds call themselves in what exporters write beside a graph. */
const words: { readonly [K in SubjectModelKind]: RegExp } = {
  u2net: /u.?2.?net|silueta/i,
  isnet: /is-?net/i,
  birefnet: /birefnet/i,
  modnet: /modnet/i,
  "rmbg-1.4": /rmbg-?1\.4/i,
  "rmbg-2.0": /rmbg-?2\.0/i,
};

/**
 * The kinds that a file may be of, by its metadata, else by the names and shapes of its inputs and outputs, as the
 * published files have them. None where nothing speaks for any.
 */
export function candidateKinds({
  inputs,
  outputs,
  metadata,
}: Pick<OnnxModel, "inputs" | "outputs" | "metadata">): readonly SubjectModelKind[] {
  const text = Object.entries(metadata).flat().join("\n");
  const named = subjectModelKinds.filter((kind) => words[kind].test(text));
  if (named.length > 0) return named;
  const [input] = inputs as readonly [OnnxValue];
  const [output] = outputs as readonly [OnnxValue];
  const side = input.dims[2] === input.dims[3] ? input.dims[2] : undefined;
  switch (`${input.name} ${output.name}`) {
    case "input_image output_image":
      // IS-Net's files have eleven more; made smaller they have one, as BiRefNet's.
      return outputs.length > 1 ? ["isnet"] : ["isnet", "birefnet"];
    case "input output":
      if (side === 512) return ["modnet"];
      return side === 1024 ? ["rmbg-1.4"] : ["modnet", "rmbg-1.4"];
    case "pixel_values alphas":
      return ["rmbg-2.0"];
    default:
      // PyTorch's exporter numbers what has no name.
      return input.name === "input.1" && side === 320 && outputs.length === 7 ? ["u2net"] : [];
  }
}
