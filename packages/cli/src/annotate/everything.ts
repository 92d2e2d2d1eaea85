/** Masks of everything in each picture, without prompts. */
import { AutomaticMaskGenerator, type RawImage, type Sam2 } from "@masklet/core/node";
import type { EverythingWork } from "../segment/everything.ts";
import type { Item } from "./items.ts";
import { foundOf, type Outcome } from "./outcome.ts";

/** In the items' order; the next one is decoded meanwhile. What is wrong with one item is its own outcome. */
export async function* masksOfEverything(
  model: Sam2,
  items: readonly Item[],
  {
    work: { generator: options, adaptive },
    category,
    signal,
  }: { readonly work: EverythingWork; readonly category: string | undefined; readonly signal: AbortSignal },
): AsyncGenerator<Outcome, void, void> {
  await using generator = new AutomaticMaskGenerator(model, options);
  const reading = (item: Item | undefined): Promise<RawImage | { readonly error: unknown }> =>
    item === undefined ? Promise.resolve({ error: undefined }) : item.read().catch((error: unknown) => ({ error }));
  let next = reading(items[0]);
  for (const [i, item] of items.entries()) {
    const image = await next;
    next = reading(items[i + 1]);
    signal.throwIfAborted();
    if ("error" in image) {
      yield { item, error: image.error };
      continue;
    }
    try {
      const masks = await generator.generate(image, { adaptive, signal });
      const object = category === undefined ? {} : { category };
      const objects = masks.map(({ rle, iouPrediction: iou, stabilityScore: stability }) =>
        foundOf(object, rle, { iou, stability }),
      );
      yield { item, size: { width: image.width, height: image.height }, objects };
    } catch (error) {
      signal.throwIfAborted();
      yield { item, error };
    }
  }
}
