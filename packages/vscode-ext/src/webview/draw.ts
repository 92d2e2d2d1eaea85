/** Pictures with labels over them. */
import type { OverlayObject } from "../dataset/overlay.ts";

export interface Shown {
  readonly bitmap: ImageBitmap;
  /** The size that the overlay's numbers are of. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  readonly overlay: readonly OverlayObject[];
}

/** A picture upright and no larger than `side`. */
export async function decodePicture(bytes: ArrayBuffer, side: number): Promise<ImageBitmap> {
  const whole = await createImageBitmap(new Blob([bytes]), { imageOrientation: "from-image" });
  const scale = Math.min(1, side / Math.max(whole.width, whole.height));
  if (scale === 1) return whole;
  const [resizeWidth, resizeHeight] = [whole.width, whole.height].map((one) => Math.max(1, Math.round(one * scale)));
  const small = await createImageBitmap(whole, {
    resizeQuality: "medium",
    ...(resizeWidth !== undefined && { resizeWidth }),
    ...(resizeHeight !== undefined && { resizeHeight }),
  });
  whole.close();
  return small;
}

/** Fills a canvas with a picture and its objects; drafts are dashed, so that colour alone does not tell them apart. */
export function draw(canvas: HTMLCanvasElement, { bitmap, size, overlay }: Shown, chosen?: OverlayObject): void {
  const { width, height } = bitmap;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.drawImage(bitmap, 0, 0);
  if (size === undefined) return;
  drawObjects(context, overlay, width / Math.max(1, size.width), height / Math.max(1, size.height), chosen);
}

export function drawObjects(
  context: CanvasRenderingContext2D,
  overlay: readonly OverlayObject[],
  scaleX: number,
  scaleY: number,
  chosen?: OverlayObject,
): void {
  for (const object of overlay) {
    const path = new Path2D();
    for (const ring of object.rings) {
      for (let i = 0; i + 1 < ring.length; i += 2) {
        const [x, y] = [(ring[i] as number) * scaleX, (ring[i + 1] as number) * scaleY];
        if (i === 0) path.moveTo(x, y);
        else path.lineTo(x, y);
      }
      path.closePath();
    }
    const [r, g, b] = object.colour;
    context.fillStyle = `rgba(${r}, ${g}, ${b}, ${object === chosen ? 0.55 : 0.3})`;
    context.fill(path, "evenodd");
    context.setLineDash(object.draft === undefined ? [] : [4, 3]);
    // Two lines are seen on any picture.
    context.lineWidth = object === chosen ? 4 : 3;
    context.strokeStyle = "rgba(0, 0, 0, 0.6)";
    context.stroke(path);
    context.lineWidth = object === chosen ? 2.5 : 1.5;
    context.strokeStyle = `rgb(${r}, ${g}, ${b})`;
    context.stroke(path);
  }
}
