/** What is exported, and the word for it. Those of labels are `@masklet/labels`', here and in `videoFormats`. */
export const exportFormats = {
  cutout: "Cutouts, PNG",
  webp: "Cutouts, WebP",
  mask: "Masks, PNG",
  overlay: "Overlay, PNG",
  label: "Label map, PNG",
  svg: "Outlines, SVG",
  session: "Session with history, JSON",
  coco: "COCO",
  "coco-results": "COCO results",
  "coco-panoptic": "COCO panoptic",
  yolo: "YOLO",
  labelme: "LabelMe",
  "label-studio": "Label Studio",
  "cvat-images": "CVAT",
  voc: "Pascal VOC",
  cityscapes: "Cityscapes",
  davis: "DAVIS",
  sa1b: "SA-1B",
} as const;
export type ExportFormat = keyof typeof exportFormats;

/** What is exported of a video. */
export const videoFormats = {
  labels: "Label maps, PNG",
  overlays: "Overlays, PNG",
  cutouts: "Cutouts, PNG",
  session: "Session with history, JSON",
  davis: "DAVIS",
  sav: "SA-V",
  coco: "COCO",
  "cvat-video": "CVAT",
  mots: "MOTS",
} as const;
export type VideoFormat = keyof typeof videoFormats;
