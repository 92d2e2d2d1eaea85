/**
 * What every format is read into and written from. Coordinates are pixels of the image as it is labelled, with (0, 0) at
 * the top left corner of the top left pixel.
 */
import type { Box, Region, Rgb, Rle } from "@masklet/core";

/** An id as the file has it; whole numbers that a double cannot hold are a bigint. */
export type Id = number | bigint | string;

/** JSON, with whole numbers that a double cannot hold as bigint. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/**
 * Which pixels a polygon or box holds. Tools differ, and with them the masks that they mean:
 * - `cracks`: those whose centre lies inside, even-odd with holes. Corners lie between pixels. Exact for outlines made here.
 * - `cocoapi`: what pycocotools' `frPyObjects` makes of it, parts joined. Corners lie between pixels.
 * - `centres`: corners are pixels, which belong to the object, and so does the line between them (OpenCV's `fillPoly`, by
 *   which Ultralytics, supervision and in effect labelme paint).
 */
export type FillRule = "cracks" | "cocoapi" | "centres";

/** A binary mask of the whole image. */
export interface MaskShape {
  readonly kind: "mask";
  readonly rle: Rle;
}

/** Outlines with their holes; the object is their union. Coordinates are as found, also outside of the image. */
export interface PolygonShape {
  readonly kind: "polygons";
  readonly regions: readonly Region[];
  readonly fill: FillRule;
}

/** A box alone: of its object no mask is known. */
export interface BoxShape {
  readonly kind: "box";
  readonly box: Box;
  readonly fill: FillRule;
  /** Clockwise in degrees, around the box's centre; none if left out. */
  readonly rotation?: number;
}

/** Points, or a line through them: nothing with an area. */
export interface PointsShape {
  readonly kind: "points";
  readonly points: readonly number[];
  readonly line: boolean;
}

export type Shape = MaskShape | PolygonShape | BoxShape | PointsShape;

/** COCO's keypoints: x, y, v for each of the category's names; v is 0 not labelled, 1 hidden, 2 visible. */
export type Keypoints = readonly number[];

export interface LabelObject {
  readonly shape: Shape;
  /** Name of one of the dataset's categories; left out where the format has none (SA-1B, DAVIS). */
  readonly category?: string;
  readonly id?: Id;
  /** The box as the file says it, where it says one beside the shape. */
  readonly box?: Box;
  /** The area as the file says it, where it says one beside the shape. */
  readonly area?: number;
  /** A region of many objects, which evaluation passes over (COCO's `iscrowd`). */
  readonly crowd?: boolean;
  readonly score?: number;
  readonly keypoints?: Keypoints;
  /** Objects of one image that belong together. */
  readonly group?: Id;
  /** The same object on other frames of the same video. */
  readonly track?: Id;
  /** `false`: the tool made it up from the frames around; left out outside of videos. */
  readonly keyframe?: boolean;
  readonly occluded?: boolean;
  readonly attributes?: JsonObject;
  /** Fields of the file that mean nothing here, kept for the same format. */
  readonly extra?: JsonObject;
  /** Which rows, shapes or elements of its file it was read from, for editing in place: YOLO, LabelMe, CVAT for images. */
  readonly places?: readonly number[];
}

export interface LabelledImage {
  /** With forward slashes, as the labels name it. */
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly id?: Id;
  /** Later objects lie in front of earlier ones. */
  readonly objects: readonly LabelObject[];
  /** `false`: nobody has looked at it yet, which is not the same as nothing to see. */
  readonly labelled: boolean;
  /** Which frame of which video it is. */
  readonly frame?: { readonly video: string; readonly index: number };
  readonly extra?: JsonObject;
}

export interface Category {
  readonly name: string;
  readonly id?: Id;
  readonly supercategory?: string;
  readonly colour?: Rgb;
  /** `false` for stuff: sky, road. */
  readonly thing?: boolean;
  readonly keypoints?: readonly string[];
  /** Pairs of keypoints, from 1. */
  readonly skeleton?: readonly (readonly [number, number])[];
  readonly extra?: JsonObject;
}

export interface Video {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** Frames of the video, labelled or not. */
  readonly frames: number;
  /** Every so many frames are labelled: 4 in SA-V. */
  readonly every?: number;
  readonly extra?: JsonObject;
}

export interface Dataset {
  /** In the order that formats with class numbers have; names differ. */
  readonly categories: readonly Category[];
  readonly images: readonly LabelledImage[];
  readonly videos?: readonly Video[];
  readonly extra?: JsonObject;
}
