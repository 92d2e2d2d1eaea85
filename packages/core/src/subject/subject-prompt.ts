/** From a soft mask to what SAM 2 is asked with: the box around it, points deep inside, and the mask itself as logits. */
import type { Size } from "../image/image.ts";
import { resizeAntialiased } from "../image/resize.ts";
import { labelComponents } from "../mask/components.ts";
import { type Mask, maskBox } from "../mask/mask.ts";
import type { Point, Prompt } from "../prompt/prompt.ts";
import { hardMask, type SoftMask } from "./subject.ts";

/** Parts of fewer of the subject's pixels are specks, which the box leaves out. */
const SPECK = 0.01;

/** Parts of fewer of the subject's pixels get no point of their own; and there are at most so many points. */
const MIN_PART = 0.1;
const MAX_POINTS = 3;

/** As the model's own logits are clamped for prompts with masks. */
const LOGIT = 10;

/** The prompt for a model of `imageSize`; `undefined` where the mask holds no pixel for the greater part. */
export function subjectPrompt(soft: SoftMask, imageSize: number): Prompt | undefined {
  const mask = withoutSpecks(hardMask(soft));
  const box = maskBox(mask);
  if (box.width === 0) return undefined;
  const logits = new Float32Array(soft.data.length);
  for (let i = 0; i < logits.length; i++) {
    const share = soft.data[i] as number;
    logits[i] = Math.max(-LOGIT, Math.min(LOGIT, Math.log(share / (1 - share))));
  }
  const side = { width: imageSize / 4, height: imageSize / 4 };
  return { box, points: deepPoints(mask), maskInput: { ...side, data: resizeAntialiased(logits, soft, side) } };
}

function withoutSpecks(mask: Mask): Mask {
  const { labels, areas } = labelComponents(mask);
  const whole = mask.data.length - (areas[0] as number);
  const data = mask.data.map((_, i) => {
    const part = labels[i] as number;
    return part !== 0 && (areas[part] as number) >= SPECK * whole ? 1 : 0;
  });
  return { ...mask, data };
}

/** The pixel farthest from the edge of each large part, the largest part's first. */
function deepPoints(mask: Mask): readonly Point[] {
  const { labels, areas } = labelComponents(mask);
  const depths = depthsOf(mask);
  const deepest = new Map<number, number>();
  for (let i = 0; i < labels.length; i++) {
    const part = labels[i] as number;
    if (part === 0) continue;
    const best = deepest.get(part);
    if (best === undefined || (depths[i] as number) > (depths[best] as number)) deepest.set(part, i);
  }
  const area = (part: number): number => areas[part] as number;
  const whole = [...deepest.keys()].reduce((sum, part) => sum + area(part), 0);
  return [...deepest]
    .sort(([a], [b]) => area(b) - area(a))
    .filter(([part]) => area(part) >= MIN_PART * whole)
    .slice(0, MAX_POINTS)
    .map(([, at]): Point => [(at % mask.width) + 0.5, Math.floor(at / mask.width) + 0.5]);
}

/** Of each pixel of the mask, how many steps (in eight directions) lead out of it or out of the image. */
function depthsOf({ width, height, data }: Mask): Int32Array {
  const depths = new Int32Array(data.length);
  const look = (at: number, x: number, y: number, step: 1 | -1): void => {
    if (data[at] === 0) return;
    const far = step === 1 ? depths.length : (depths[at] as number);
    const [nx, ny] = [x - step, y - step];
    const inside = nx >= 0 && nx < width && ny >= 0 && ny < height && x + step >= 0 && x + step < width;
    if (!inside) {
      depths[at] = 1;
      return;
    }
    const row = at - step * width;
    const least = Math.min(
      depths[at - step] as number,
      depths[row - 1] as number,
      depths[row] as number,
      depths[row + 1] as number,
    );
    depths[at] = Math.min(far, least + 1);
  };
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) look(y * width + x, x, y, 1);
  for (let y = height - 1; y >= 0; y--) for (let x = width - 1; x >= 0; x--) look(y * width + x, x, y, -1);
  return depths;
}

/** What is at (x, y) there is at (width - 1 - x, y) here: values [height, width, channels]. */
export function mirrored(data: ArrayLike<number>, { width, height }: Size, channels: number): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + width - 1 - x) * channels;
      const to = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = data[from + c] as number;
    }
  }
  return out;
}
