/** What a picture is about, without a prompt: the interface of those who find it, and how it is said when they are unsure. */
import type { AbortSignalLike } from "../abort.ts";
import { MaskError } from "../errors.ts";
import type { RawImage, Size } from "../image/image.ts";
import type { Mask } from "../mask/mask.ts";

/** How much of each pixel is the subject, 0 to 1, row by row: `data` is [height, width]. */
export interface SoftMask extends Size {
  readonly data: Float32Array;
}

/** Why a subject may be the wrong one, or wrongly outlined; `subjectDoubts` says each in words. */
export type SubjectDoubt =
  | "no-subject"
  | "cut-off"
  | "several"
  | "weak"
  | "faint"
  | "unlike-when-mirrored"
  | "sharpened-unlike"
  | "poor-mask"
  | "soft-edge";

/** Each doubt in words, for people. */
export const subjectDoubts: { readonly [D in SubjectDoubt]: string } = {
  "no-subject": "nothing stands out",
  "cut-off": "what stands out reaches far along the border of the picture, as backgrounds do",
  several: "something else stands out nearly as much",
  weak: "it stands out little: it is small, off the middle or cut by the border, or the model is not firm about it",
  faint: "for much of it, it is undecided whether it belongs to the subject",
  "unlike-when-mirrored": "in the mirrored picture something else was found",
  "sharpened-unlike": "SAM 2 sees another object there: what the finder said was kept",
  "poor-mask": "the model itself thinks little of its mask",
  "soft-edge": "much of it hardly differs from the flat background: a shadow, perhaps, or a glow",
};

/** What a `SubjectFinder` found: at the image's size, without a doubt where `unsure` is left out or empty. */
export interface FoundSubject extends SoftMask {
  readonly unsure?: readonly SubjectDoubt[];
}

/** Finds what a picture is about: a model of saliency or matting, for instance. */
export interface SubjectFinder {
  /** Rejects with the signal's reason, and as what it computes with. */
  find(image: RawImage, options?: { readonly signal?: AbortSignalLike }): Promise<FoundSubject>;
}

/** Throws a `MaskError` unless a soft mask is one, of the image's size: "mask-size-mismatch", "mask-data-length". */
export function checkSoftMask(where: string, { width, height, data }: SoftMask, image: Size): void {
  if (width !== image.width || height !== image.height) {
    const problem = `the soft mask is ${width}x${height}, the image ${image.width}x${image.height}`;
    throw new MaskError("mask-size-mismatch", `${where}: ${problem}`, {
      details: { mask: [width, height], image: [image.width, image.height] },
    });
  }
  if (data.length === width * height) return;
  const problem = `a ${width}x${height} soft mask has ${width * height} values, data has ${data.length}`;
  throw new MaskError("mask-data-length", `${where}: ${problem}`, {
    details: { width, height, expected: width * height, length: data.length },
  });
}

/** The pixels that are the subject for the greater part. */
export function hardMask({ width, height, data }: SoftMask): Mask {
  const inside = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) if ((data[i] as number) >= 0.5) inside[i] = 1;
  return { width, height, data: inside };
}

/** What share of the pixels at the image's border is in the mask. */
export function borderShare({ width, height, data }: Mask): number {
  let inside = 0;
  let all = 0;
  eachBorderPixel({ width, height }, (at) => {
    all++;
    if (data[at] !== 0) inside++;
  });
  return inside / all;
}

/** Calls back with each pixel of the outermost rows and columns, once. */
export function eachBorderPixel({ width, height }: Size, visit: (at: number) => void): void {
  for (let y = 0; y < height; y++) {
    const step = y === 0 || y === height - 1 ? 1 : Math.max(1, width - 1);
    for (let x = 0; x < width; x += step) visit(y * width + x);
  }
}
