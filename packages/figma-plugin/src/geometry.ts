/**
 * Where an image's pixels lie in its layer. Figma keeps the whole image and draws it through the paint's scale mode; so
 * results keep the image's size and the paint keeps its geometry, and these maps are only needed for outlines, trimming
 * and vectors.
 *
 * Local coordinates of a layer run from (0, 0) to (width, height), y downwards, as those of images do.
 */

/** Rows of a 2 x 3 matrix, as Figma's `Transform`: x' = a x + b y + c, y' = d x + e y + f. */
export type Affine = [[number, number, number], [number, number, number]];

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Box extends Size {
  readonly x: number;
  readonly y: number;
}

export type ScaleMode = "FILL" | "FIT" | "CROP" | "TILE";

/** What of an image paint says where its pixels lie; what is left out is Figma's default. */
export interface ImageGeometry {
  readonly scaleMode: ScaleMode;
  /** CROP: from the layer's unit square to the image's. */
  readonly imageTransform?: Affine;
  /** FILL, FIT, TILE: quarter turns in degrees, clockwise as CSS has them. */
  readonly rotation?: number;
  /** TILE: layer units of one pixel. */
  readonly scalingFactor?: number;
}

export const identity: Affine = [
  [1, 0, 0],
  [0, 1, 0],
];

export function translation(x: number, y: number): Affine {
  return [
    [1, 0, x],
    [0, 1, y],
  ];
}

export function scaling(x: number, y: number): Affine {
  return [
    [x, 0, 0],
    [0, y, 0],
  ];
}

/** The product of two. */
function pair([[a, b, c], [d, e, f]]: Affine, [[g, h, i], [j, k, l]]: Affine): Affine {
  return [
    [a * g + b * j, a * h + b * k, a * i + b * l + c],
    [d * g + e * j, d * h + e * k, d * i + e * l + f],
  ];
}

/** The product of matrices: the last is applied first. */
export function multiply(...matrices: readonly Affine[]): Affine {
  return matrices.reduce(pair, identity);
}

/** Throws a `RangeError` for a matrix that flattens the plane: a layer without width, a crop of nothing. */
export function invert([[a, b, c], [d, e, f]]: Affine): Affine {
  const determinant = a * e - b * d;
  if (determinant === 0 || !Number.isFinite(determinant)) {
    throw new RangeError(`invert: the matrix [${a}, ${b}; ${d}, ${e}] has no inverse`);
  }
  return [
    [e / determinant, -b / determinant, (b * f - c * e) / determinant],
    [-d / determinant, a / determinant, (c * d - a * f) / determinant],
  ];
}

export function transformPoint([[a, b, c], [d, e, f]]: Affine, x: number, y: number): readonly [number, number] {
  return [a * x + b * y + c, d * x + e * y + f];
}

/** A turn about the origin; quarter turns are exact. */
function turn(degrees: number): Affine {
  const quarters = degrees / 90;
  const exact = Number.isInteger(quarters) ? ((quarters % 4) + 4) % 4 : -1;
  const angle = (degrees * Math.PI) / 180;
  const cos = exact < 0 ? Math.cos(angle) : ([1, 0, -1, 0][exact] as number);
  const sin = exact < 0 ? Math.sin(angle) : ([0, 1, 0, -1][exact] as number);
  return [
    [cos, -sin, 0],
    [sin, cos, 0],
  ];
}

/**
 * From the image's pixels to the layer's local coordinates; of TILE the first tile. `image` is the size of the image's
 * bytes, `layer` that of the layer. Throws a `RangeError` for a layer, an image or a crop without area.
 */
export function imageToLayer(paint: ImageGeometry, layer: Size, image: Size): Affine {
  const { scaleMode, imageTransform = identity, rotation = 0, scalingFactor = 1 } = paint;
  if (scaleMode === "CROP") {
    const layerToImage = multiply(
      scaling(image.width, image.height),
      imageTransform,
      scaling(1 / layer.width, 1 / layer.height),
    );
    return invert(layerToImage);
  }
  const turned = turn(rotation);
  // The box around the turned image.
  const width = Math.abs(turned[0][0]) * image.width + Math.abs(turned[0][1]) * image.height;
  const height = Math.abs(turned[1][0]) * image.width + Math.abs(turned[1][1]) * image.height;
  const across = layer.width / width;
  const down = layer.height / height;
  const factor = { FILL: Math.max(across, down), FIT: Math.min(across, down), TILE: scalingFactor }[scaleMode];
  const centre =
    scaleMode === "TILE"
      ? translation((width * factor) / 2, (height * factor) / 2)
      : translation(layer.width / 2, layer.height / 2);
  const map = multiply(centre, scaling(factor, factor), turned, translation(-image.width / 2, -image.height / 2));
  invert(map); // says what is wrong with an empty layer or image
  return map;
}

/** The box around a box's corners under a map. */
export function boxUnder(map: Affine, { x, y, width, height }: Box): Box {
  const corners = [
    transformPoint(map, x, y),
    transformPoint(map, x + width, y),
    transformPoint(map, x + width, y + height),
    transformPoint(map, x, y + height),
  ];
  return boxAround(corners);
}

export function boxAround(points: readonly (readonly [number, number])[]): Box {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return { x: left, y: top, width: Math.max(...xs) - left, height: Math.max(...ys) - top };
}

export function intersect(a: Box, b: Box): Box {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  return {
    x,
    y,
    width: Math.max(0, Math.min(a.x + a.width, b.x + b.width) - x),
    height: Math.max(0, Math.min(a.y + a.height, b.y + b.height) - y),
  };
}

/**
 * The `imageTransform` with which a new layer that covers `box` of the old one (local coordinates) shows the same pixels
 * at the same place, from a picture that holds `region` of the image.
 */
export function cropOf(toLayer: Affine, region: Box, box: Box): Affine {
  return multiply(
    scaling(1 / region.width, 1 / region.height),
    translation(-region.x, -region.y),
    invert(toLayer),
    translation(box.x, box.y),
    scaling(box.width, box.height),
  );
}
