import { checkLabels, checkPicture, type Finding } from "@masklet/labels";
import type { LabelsRead } from "./read.ts";

/** `file, place: warning: what` */
export function findingLine({ severity, file, at, message }: Finding): string {
  return `${[file, at].filter((part) => part !== "").join(", ")}: ${severity}: ${message}`;
}

/** What is wrong with labels that were read, and with the pictures that they name. `path`: what findings of no file are of. */
export async function allFindings(read: LabelsRead, path: string): Promise<readonly Finding[]> {
  return [...read.findings, ...checkLabels(read.dataset), ...(await checkPictures(read))].map((finding) => ({
    ...finding,
    file: finding.file === "" ? path : finding.file,
  }));
}

/** Pictures that are not there, and those of another size; nothing where there is none at all. */
async function checkPictures({ dataset, pictures, format }: LabelsRead): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  let here = 0;
  for (const image of dataset.images) {
    if ((await pictures.find(image.file)) === undefined) {
      found.push({ severity: "warning", file: image.file, at: "picture", message: "is not there" });
      continue;
    }
    here++;
    const head = await pictures.head(image.file);
    // YOLO's are measured by the picture itself.
    if (head !== undefined && format !== "yolo") found.push(...checkPicture(image, head));
  }
  return here === 0 ? [] : found;
}
