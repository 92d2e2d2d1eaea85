/** A large COCO file, made up. */
import { closeSync, openSync, statSync, writeSync } from "node:fs";

/** Bytes of the file: COCO's own for training has as many. */
const BYTES = 450e6;

/** Writes annotations that are polygons, of 100,000 images. */
export function writeLargeCoco(path: string): {
  readonly images: number;
  readonly annotations: number;
  readonly bytes: number;
} {
  const file = openSync(path, "w");
  const images = 100_000;
  let written = 0;
  const put = (text: string): void => {
    written += writeSync(file, text);
  };
  put('{"info": {}, "images": [');
  for (let i = 0; i < images; i++)
    put(`${i === 0 ? "" : ", "}{"id": ${i}, "file_name": "${i}.jpg", "width": 640, "height": 480}`);
  put('], "annotations": [');
  let annotations = 0;
  const ring = Array.from({ length: 60 }, (_, k) => (k * 7.25).toFixed(2)).join(", ");
  while (written < BYTES) {
    const some = Array.from({ length: 500 }, (_, k) => {
      const id = annotations + k;
      return `{"segmentation": [[${ring}]], "area": 120.5, "iscrowd": 0, "image_id": ${id % images}, "bbox": [1.0, 2.0, 30.25, 40.5], "category_id": 1, "id": ${id}}`;
    });
    put(`${annotations === 0 ? "" : ", "}${some.join(", ")}`);
    annotations += some.length;
  }
  put('], "categories": [{"id": 1, "name": "thing"}]}');
  closeSync(file);
  return { images, annotations, bytes: statSync(path).size };
}
