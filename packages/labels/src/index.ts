export { checkLabels, checkNames, checkObjects, checkPicture, unusedCategories } from "./check.ts";
export { CocoFile, type CocoFileOptions, type CocoObject } from "./coco-file.ts";
export {
  type CvatEditOptions,
  editCvat,
  editLabelMe,
  editLabelStudio,
  editYolo,
  type LabelMeEditOptions,
  type LabelStudioEdits,
  type ObjectEdits,
  type YoloEditOptions,
} from "./edit.ts";
export { LabelError, type LabelErrorCode } from "./errors.ts";
export type { AveragePrecision } from "./eval/average-precision.ts";
export {
  type CategoryScores,
  type EvaluateLabelsOptions,
  evaluateDataset,
  type LabelScores,
  type LabelsEvaluation,
  type PairScores,
  type PanopticQuality,
} from "./eval/evaluate.ts";
export { boundaryIou, type Candidate, type MaskScores, pairUp } from "./eval/pairs.ts";
export { exifOrientation, labelPixels, type Orientation, turnedBack, turnObject, turnSize } from "./exif.ts";
export { type Finding, filesOf, isPicture, type LabelFile, type LabelFiles, type ReadOptions } from "./files.ts";
export type { CocoOptions } from "./formats/coco.ts";
export type { PanopticOptions } from "./formats/coco-panoptic.ts";
export type { CvatOptions } from "./formats/cvat.ts";
export type { Written } from "./formats/format.ts";
export type { LabelStudioOptions } from "./formats/label-studio.ts";
export type { LabelMeOptions } from "./formats/labelme.ts";
export { type YoloOptions, yoloClassNames, yoloLabelPath, yoloSplits } from "./formats/yolo.ts";
export { boxRing, fillBox, fillRegions } from "./geometry/fill.ts";
export { hasMask, shapeBox, shapeMask } from "./geometry/object.ts";
export { rleIntersection, rleIou, rleMinus, rleUnion } from "./geometry/rle.ts";
export {
  bridgedRings,
  bridgeParts,
  type OutlineSource,
  outlinesOf,
  type TraceOptions,
  traceRegions,
} from "./geometry/trace.ts";
export { imageSize } from "./image-size.ts";
export { jsonSlice } from "./json/json.ts";
export {
  type FoundLabels,
  findLabels,
  type ReadFormat,
  type ReadLabelsOptions,
  type ReadResult,
  readFormats,
  readLabels,
  type WriteFormat,
  type WriteOptions,
  writeFormats,
  writeLabels,
} from "./labels.ts";
export { type Loss, type LossKind, lossMeanings } from "./loss.ts";
export type {
  BoxShape,
  Category,
  Dataset,
  FillRule,
  Id,
  JsonObject,
  JsonValue,
  Keypoints,
  LabelledImage,
  LabelObject,
  MaskShape,
  PointsShape,
  PolygonShape,
  Shape,
  Video,
} from "./model.ts";
export { PictureNames } from "./picture-names.ts";
export { editLabelMap, type LabelMapEdits } from "./png/edit.ts";
export { type AreaCounts, type CategoryStats, type LabelStats, labelStats, StatsCounter } from "./stats.ts";
