/** Boxes that the model makes masks of: where they come from, and how they go through it. */
import { type Detector, type PromptBox, type RawImage, type Rle, type Sam2, segmentMany } from "@masklet/core/node";
import {
  boxRing,
  LabelError,
  type LabelledImage,
  type LabelObject,
  labelPixels,
  shapeBox,
  turnedBack,
  turnObject,
  turnSize,
} from "@masklet/labels";
import type { Item } from "./items.ts";
import type { Found, Outcome } from "./outcome.ts";
import { foundOf, type Settings } from "./outcome.ts";

/** A box to make a mask of. */
export interface BoxProposal {
  /** In pixels of the image, upright. */
  readonly box: PromptBox;
  /** What the mask becomes. */
  readonly object: Pick<Found, "source" | "category" | "score">;
  /** The mask as the labels see the image, where they see it otherwise. */
  readonly place?: (mask: Rle) => Rle;
}

/** Finds boxes in an image: those of labels, or a detector's. */
export interface BoxProposer {
  /** What decides about the boxes besides the picture itself, as JSON; `undefined` where an item has none. */
  asked(item: Item): unknown;
  propose(image: RawImage, item: Item, signal: AbortSignal): Promise<readonly BoxProposal[]>;
}

/** Boxes of labels. With `again` objects that have masks get new ones of their boxes, too. */
export class LabelBoxes implements BoxProposer {
  readonly #images: ReadonlyMap<Item, LabelledImage>;
  readonly #again: boolean;

  constructor(images: ReadonlyMap<Item, LabelledImage>, { again }: { readonly again: boolean }) {
    this.#images = images;
    this.#again = again;
  }

  asked(item: Item): unknown {
    const image = this.#images.get(item);
    if (image === undefined) return undefined;
    const { width, height } = image;
    const boxes = image.objects.flatMap((object, i) => (this.#isAsked(object) ? [[i, boxOf(object, image)]] : []));
    return boxes.length === 0 ? undefined : { width, height, boxes };
  }

  async propose(picture: RawImage, item: Item): Promise<readonly BoxProposal[]> {
    const image = this.#images.get(item);
    if (image === undefined) return [];
    const head = await item.head();
    const { size, orientation } = head ?? { size: picture, orientation: 1 };
    const pixels = labelPixels(image, size, orientation);
    if (pixels === "neither") {
      throw new LabelError(
        "annotation-invalid",
        `is ${picture.width}x${picture.height}, its labels are of ${image.width}x${image.height}`,
        { details: { file: image.file } },
      );
    }
    const turned = pixels === "stored" ? orientation : 1;
    const back = turnedBack(turned);
    const place = (rle: Rle): Rle => {
      const { shape } = turnObject({ shape: { kind: "mask", rle } }, turnSize(image, turned), back);
      return shape.kind === "mask" ? shape.rle : rle;
    };
    return image.objects.flatMap((given, source): readonly BoxProposal[] => {
      if (!this.#isAsked(given)) return [];
      const box = withinPicture(boxOf(turnObject(given, image, turned), turnSize(image, turned)), picture);
      return box === undefined ? [] : [{ box, object: { source }, ...(turned !== 1 && { place }) }];
    });
  }

  /** Crowds are regions of many objects, of which no mask is one. */
  #isAsked({ shape, crowd }: LabelObject): boolean {
    if (crowd === true || shape.kind === "points") return false;
    return this.#again || shape.kind === "box";
  }
}

/** What a detector finds. */
export class DetectedBoxes implements BoxProposer {
  readonly #detector: Detector;

  constructor(detector: Detector) {
    this.#detector = detector;
  }

  asked(): unknown {
    return {};
  }

  async propose(image: RawImage, _: Item, signal: AbortSignal): Promise<readonly BoxProposal[]> {
    const found = await this.#detector.detect(image, { signal });
    return found.map(({ box, label, score }) => ({ box, object: { category: label, score } }));
  }
}

/** The corners of an object's box; around a turned one. */
function boxOf({ shape, box }: LabelObject, size: { readonly width: number; readonly height: number }): PromptBox {
  if (shape.kind === "box" && (shape.rotation ?? 0) !== 0) {
    const ring = boxRing(shape.box, shape.rotation);
    const [xs, ys] = [ring.filter((_, i) => i % 2 === 0), ring.filter((_, i) => i % 2 === 1)];
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }
  const { x, y, width, height } = shape.kind === "box" ? shape.box : (box ?? shapeBox(shape, size));
  // Where corners are pixels, the last ones belong to the box.
  const last = shape.kind === "box" && shape.fill === "centres" ? 1 : 0;
  return [x, y, x + width + last, y + height + last];
}

/** The part of a box that shows; `undefined` for none. */
function withinPicture([x0, y0, x1, y1]: PromptBox, { width, height }: RawImage): PromptBox | undefined {
  const [left, top, right, bottom] = [Math.max(0, x0), Math.max(0, y0), Math.min(width, x1), Math.min(height, y1)];
  return left < right && top < bottom ? [left, top, right, bottom] : undefined;
}

/** Masks of the boxes in each item, in their order. What is wrong with one item is its own outcome. */
export async function* masksOfBoxes(
  model: Sam2,
  items: Iterable<Item>,
  proposer: BoxProposer,
  { predictor, signal }: Settings,
): AsyncGenerator<Outcome, void, void> {
  const proposals = new WeakMap<Item, readonly BoxProposal[]>();
  function* jobs() {
    for (const item of items) {
      yield {
        item,
        image: item.read,
        prompts: async (image: RawImage) => {
          const found = await proposer.propose(image, item, signal);
          proposals.set(item, found);
          return found.map(({ box }) => ({ box }));
        },
      };
    }
  }
  for await (const result of segmentMany(model, jobs(), { ...predictor, multimaskOutput: false, signal })) {
    const { item } = result.job;
    if ("error" in result) {
      yield { item, error: result.error };
      continue;
    }
    const { image, predictions } = result;
    const objects = (proposals.get(item) ?? []).map(({ object, place }, i): Found => {
      const { best, bestIou, stabilityScores } = predictions[i] as (typeof predictions)[number];
      return foundOf(object, best, { iou: bestIou, stability: stabilityScores[0] as number }, place);
    });
    yield { item, size: { width: image.width, height: image.height }, objects };
  }
}
