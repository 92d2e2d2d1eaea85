import { PromptError } from "../errors.ts";
import type { Size } from "../image/image.ts";
import type { Point } from "../prompt/prompt.ts";
import { choosesFile, fileOf, naturalSize } from "./image.ts";

/** What a page shows pictures in. */
export type PictureElement = HTMLImageElement | HTMLCanvasElement | HTMLVideoElement;

/**
 * Where a mouse or pointer event is in a picture, in the pixels that `imageFrom` gives of it: what a prompt's point is. Pages show
 * pictures larger or smaller than they are; borders, padding, `object-fit`, `object-position` and CSS transforms are
 * reckoned with.
 *
 * The event is one of the picture itself; for one that came through something that lies over it, give `picture`, which
 * must not be rotated then. Beside the picture, in the bars of `object-fit: contain` for instance, the point lies outside
 * the image, and predictors refuse it ("out-of-image").
 *
 * Throws a `PromptError` "bad-prompt" where there is no picture, or none that has loaded.
 */
export function imagePoint(
  event: Pick<MouseEvent, "clientX" | "clientY" | "offsetX" | "offsetY" | "target">,
  picture: EventTarget | null = event.target,
): Point {
  if (!isPicture(picture)) {
    throw new PromptError("bad-prompt", "imagePoint: the event must be one of an <img>, <canvas> or <video>", {
      details: { target: picture },
    });
  }
  // Of a file for screens of "2x", `object-fit` takes half its size, and the point is one of all its pixels.
  const natural = naturalSize(picture);
  const pixels = picture instanceof HTMLImageElement && choosesFile(picture) ? naturalSize(fileOf(picture)) : natural;
  const style = getComputedStyle(picture);
  const padding = (side: string): number => Number.parseFloat(style.getPropertyValue(`padding-${side}`)) || 0;
  const content: Size = {
    width: picture.clientWidth - padding("left") - padding("right"),
    height: picture.clientHeight - padding("top") - padding("bottom"),
  };
  if (!(natural.width > 0 && pixels.width > 0 && content.width > 0 && content.height > 0)) {
    throw new PromptError("bad-prompt", "imagePoint: the picture has no size; has it loaded, and is it shown?", {
      details: { natural, content },
    });
  }
  const [left, top] = picture === event.target ? [event.offsetX, event.offsetY] : offsetIn(picture, event);
  const shown = shownSize(natural, content, style.objectFit);
  const [placeX = "50%", placeY = "50%"] = style.objectPosition.split(" ");
  return [
    along(left - padding("left"), pixels.width, content.width, shown.width, placeX),
    along(top - padding("top"), pixels.height, content.height, shown.height, placeY),
  ];
}

function isPicture(target: EventTarget | null): target is PictureElement {
  return (
    target instanceof HTMLImageElement || target instanceof HTMLCanvasElement || target instanceof HTMLVideoElement
  );
}

/** From the padding's edge, as `offsetX` and `offsetY` are. */
function offsetIn(
  picture: PictureElement,
  { clientX, clientY }: Pick<MouseEvent, "clientX" | "clientY">,
): readonly [number, number] {
  const box = picture.getBoundingClientRect();
  const scaleX = box.width / picture.offsetWidth;
  const scaleY = box.height / picture.offsetHeight;
  return [(clientX - box.left) / scaleX - picture.clientLeft, (clientY - box.top) / scaleY - picture.clientTop];
}

/** The size that the whole picture would have in its box (CSS Images, 5.5). */
function shownSize(natural: Size, content: Size, fit: string): Size {
  if (fit === "fill") return content;
  const contain = Math.min(content.width / natural.width, content.height / natural.height);
  const cover = Math.max(content.width / natural.width, content.height / natural.height);
  const scale = fit === "contain" ? contain : fit === "cover" ? cover : fit === "none" ? 1 : Math.min(1, contain);
  return { width: natural.width * scale, height: natural.height * scale };
}

/** One coordinate: from the box to the picture. */
function along(at: number, pixels: number, content: number, shown: number, place: string): number {
  const value = Number.parseFloat(place);
  if (!/^-?[\d.]+(px|%)$/.test(place)) {
    throw new PromptError(
      "bad-prompt",
      `imagePoint: an object-position of ${place} is not reckoned with, only px and %`,
      {
        details: { place },
      },
    );
  }
  const start = place.endsWith("%") ? ((content - shown) * value) / 100 : value;
  const pixel = pixels / shown; // of the image in one of the page's
  const found = (at - start) * pixel;
  // Browsers round sizes and offsets to whole pixels of the page.
  if (found < 0 && found > -pixel) return 0;
  if (found > pixels && found < pixels + pixel) return pixels;
  return found;
}
