import { paletteColour, type Rgb } from "@masklet/core";
import type { EditorClass } from "../document.ts";

/** An object's colour: its class's, or the palette's. */
export function colourOf(
  { id, class: name }: { readonly id: number; readonly class: string | null },
  classes: readonly EditorClass[],
): Rgb {
  const index = classes.findIndex((one) => one.name === name);
  return classes[index]?.colour ?? paletteColour(index < 0 ? id - 1 : index);
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red}, ${green}, ${blue})`;
}
