import { afterEach, describe, expect, test } from "vitest";
import { imageFrom } from "./image.ts";
import { imagePoint } from "./image-point.ts";

/** A canvas of 200x100 pixels, shown as the style says at (30, 20) of the page. */
function shown(style: string, { width = 200, height = 100 } = {}): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.style.cssText = `position: absolute; left: 30px; top: 20px; ${style}`;
  document.body.append(canvas);
  return canvas;
}

afterEach(() => document.body.replaceChildren());

/** Clicks on a place of the page. */
function click(element: Element, clientX: number, clientY: number): MouseEvent {
  let seen: MouseEvent | undefined;
  element.addEventListener("click", (event) => {
    seen = event as MouseEvent;
  });
  const event = new MouseEvent("click", { clientX, clientY, bubbles: true });
  element.dispatchEvent(event);
  // Offsets are those of the moment.
  const { offsetX, offsetY } = seen as MouseEvent;
  return { clientX, clientY, offsetX, offsetY, target: element } as unknown as MouseEvent;
}

describe("a picture of 200x100", () => {
  test.each([
    ["as large as it is", "", [30 + 50, 20 + 40], [50, 40]],
    ["half as large", "width: 100px", [30 + 25, 20 + 20], [50, 40]],
    ["three times as wide", "width: 600px; height: 100px", [30 + 150, 20 + 40], [50, 40]],
    [
      "with border and padding",
      "border: 7px solid; padding: 5px 9px; width: 100px",
      [30 + 16 + 25, 20 + 12 + 20],
      [50, 40],
    ],
    [
      "as border-box",
      "box-sizing: border-box; border: 10px solid; width: 120px; height: 70px",
      [30 + 60, 20 + 35],
      [100, 50],
    ],
    ["scaled by a transform", "transform: scale(0.5); transform-origin: 0 0", [30 + 25, 20 + 20], [50, 40]],
    ["turned by a transform", "transform: rotate(90deg); transform-origin: 0 0", [30 - 40, 20 + 50], [50, 40]],
    [
      "contained, with bars above and below",
      "width: 100px; height: 100px; object-fit: contain",
      [30 + 25, 20 + 25 + 20],
      [50, 40],
    ],
    [
      "contained at the top",
      "width: 100px; height: 100px; object-fit: contain; object-position: left top",
      [55, 40],
      [50, 40],
    ],
    ["covering, cut at the sides", "width: 50px; height: 100px; object-fit: cover", [30 + 25, 20 + 40], [100, 40]],
    [
      "covering, moved",
      "width: 50px; height: 100px; object-fit: cover; object-position: -10px 0",
      [30 + 25, 60],
      [35, 40],
    ],
    ["not fitted", "width: 100px; height: 50px; object-fit: none", [30 + 50, 20 + 25], [100, 50]],
    ["scaled down at most", "width: 400px; height: 400px; object-fit: scale-down", [30 + 200, 20 + 200], [100, 50]],
  ] as const)("%s", (_, style, [x, y], [expectedX, expectedY]) => {
    const picture = shown(style);
    const point = imagePoint(click(picture, x, y));
    expect(point[0]).toBeCloseTo(expectedX, 0);
    expect(point[1]).toBeCloseTo(expectedY, 0);
  });

  test("under something that takes its clicks", () => {
    const picture = shown("width: 100px; border: 4px solid");
    const cover = document.createElement("div");
    cover.style.cssText = "position: absolute; inset: 0";
    document.body.append(cover);
    const [x, y] = imagePoint(click(cover, 30 + 4 + 25, 20 + 4 + 20), picture);
    expect([x, y]).toEqual([expect.closeTo(50), expect.closeTo(40)]);
  });

  test("beside it, in a bar, the point is outside", () => {
    const picture = shown("width: 100px; height: 100px; object-fit: contain");
    expect(imagePoint(click(picture, 30 + 50, 20 + 5))[1]).toBeLessThan(0);
  });
});

describe("a file of 200x100 for screens of 2x", () => {
  const file = async (): Promise<string> => {
    const surface = new OffscreenCanvas(200, 100);
    surface.getContext("2d")?.fillRect(0, 0, 200, 100);
    return URL.createObjectURL(await surface.convertToBlob());
  };

  test.each(["an <img>", "a <picture>"])("as %s", async (kind) => {
    const image = document.createElement("img");
    const srcset = `${await file()} 2x`;
    if (kind === "an <img>") image.srcset = srcset;
    const source = Object.assign(document.createElement("source"), { srcset });
    const picture = document.createElement("picture");
    picture.append(...(kind === "an <img>" ? [] : [source]), image);
    picture.style.cssText = "position: absolute; left: 30px; top: 20px";
    document.body.append(picture);
    await image.decode();
    expect([image.naturalWidth, image.clientWidth]).toEqual([100, 100]);
    const { width, height } = await imageFrom(image);
    expect([width, height]).toEqual([200, 100]);
    expect(imagePoint(click(image, 30 + 25, 20 + 20))).toEqual([50, 40]);
    image.style.cssText = "width: 100px; height: 100px; object-fit: none";
    expect(imagePoint(click(image, 30 + 25, 20 + 25 + 20))).toEqual([50, 40]);
  });
});

test("its last pixel is in it", () => {
  const picture = shown("width: 67px");
  const { right, bottom } = picture.getBoundingClientRect();
  const [x, y] = imagePoint(click(picture, right, bottom));
  expect([x <= 200, y <= 100, x > 195, y > 95]).toEqual([true, true, true, true]);
});

test("what is no picture, or has none, is refused", () => {
  const problem = (target: Element): unknown => {
    try {
      return imagePoint(click(target, 1, 1));
    } catch (error) {
      return (error as { readonly code: string }).code;
    }
  };
  expect(problem(document.body)).toBe("bad-prompt");
  const image = document.createElement("img");
  document.body.append(image);
  expect(problem(image)).toBe("bad-prompt");
  expect(problem(shown("object-fit: none; object-position: calc(100% - 3px) 0"))).toBe("bad-prompt");
});
