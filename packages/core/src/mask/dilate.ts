/** Every pixel within a disk of `radius` around one that is set; `pixels` is [height, width], row by row. */
export function dilate(pixels: Uint8Array, width: number, radius: number): Uint8Array {
  const height = pixels.length / width;
  const out = Uint8Array.from(pixels);
  const reach = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.floor(Math.sqrt(radius ** 2 - (i - radius) ** 2)),
  );
  const isSet = (at: number): boolean => (pixels[at] ?? 0) !== 0;
  for (let at = 0; at < pixels.length; at++) {
    if (!isSet(at)) continue;
    const x = at % width;
    // Whatever is near a pixel in the middle is set itself, or near one at the edge.
    const inner = x > 0 && x < width - 1 && isSet(at - 1) && isSet(at + 1) && isSet(at - width) && isSet(at + width);
    if (inner) continue;
    const y = (at - x) / width;
    for (const [i, half] of reach.entries()) {
      const row = y + i - radius;
      if (row < 0 || row >= height) continue;
      out.fill(1, row * width + Math.max(0, x - half), row * width + Math.min(width, x + half + 1));
    }
  }
  return out;
}
