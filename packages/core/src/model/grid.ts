import type { Sam2Config } from "./config.ts";

/** Side of the stride-16 map, on which the decoder and memory work. */
export function gridSize({ imageSize }: Pick<Sam2Config, "imageSize">): number {
  return imageSize / 16;
}
