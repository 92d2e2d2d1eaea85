import { expect, test } from "vitest";
import { drawLabel } from "./label.ts";
import type { Mask } from "./mask.ts";
import { overlay } from "./overlay.ts";

const [width, height] = [17, 9];
const all: Mask = { width, height, data: new Uint8Array(width * height).fill(1) };
const black = (channels: 3 | 4 = 3) => ({ width, height, channels, data: new Uint8Array(width * height * channels) });

/** `#` where there is ink, `.` on the plate, a blank elsewhere. */
function shown({ data, channels }: { readonly data: Uint8Array; readonly channels: number }, plate: number): string[] {
  const at = (x: number, y: number): number => data[(y * width + x) * channels] as number;
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => (at(x, y) === plate ? "." : at(x, y) === 255 ? "#" : " "))
      .join("")
      .trimEnd(),
  );
}

test("letters on a plate in the middle of the mask", () => {
  const image = black();
  drawLabel(image, "1-a", all, [100, 0, 0]);
  expect(shown(image, 100)).toEqual([
    "",
    "  .............",
    "  ..#.......#..",
    "  .##......#.#.",
    "  ..#..###.###.",
    "  ..#......#.#.",
    "  .###.....#.#.",
    "  .............",
    "",
  ]);
});

test("within the picture where the mask is at its edge, opaque, dark on bright", () => {
  const image = black(4);
  const corner: Mask = { width, height, data: Uint8Array.from(all.data, (_, i) => (i === width * height - 1 ? 1 : 0)) };
  drawLabel(image, "é", corner, [250, 250, 250]);
  const question = [".....", ".   .", "... .", ".. ..", ".....", ".. ..", "....."];
  expect(shown(image, 250).slice(2)).toEqual(question.map((row) => " ".repeat(12) + row));
  expect(image.data[(8 * width + 16) * 4 + 3]).toBe(255);
});

test("an empty mask has no label, and an object without one is painted as before", () => {
  const image = black();
  drawLabel(image, "1", { ...all, data: new Uint8Array(width * height) }, [1, 2, 3]);
  expect(image).toEqual(black());
  const plain = overlay(black(), [{ mask: all, colour: [9, 9, 9] }]);
  expect(overlay(black(), [{ mask: all, colour: [9, 9, 9], label: "7" }])).not.toEqual(plain);
});
