/** The pictures that labels are about, on the disk. */
import { open, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { isImageName, type Size } from "@masklet/core/node";
import { exifOrientation, imageSize, type Orientation, PictureNames, turnSize } from "@masklet/labels";
import { walk } from "./folder-walk.ts";

/** What a picture's header says. */
export interface PictureHead {
  /** As stored, whatever its orientation. */
  readonly size: Size;
  readonly orientation: Orientation;
}

/** Its size when it is looked at. */
export function turnedSize({ size, orientation }: PictureHead): Size {
  return turnSize(size, orientation);
}

/** Headers lie before the pixels; previews inside of EXIF are larger than one thinks. */
const headBytes = 2 ** 19;

/** The header of a picture's file; `undefined` for what is none of the kinds that `imageSize` of labels knows. */
export async function pictureHead(path: string): Promise<PictureHead | undefined> {
  const file = await open(path);
  try {
    const bytes = new Uint8Array(headBytes);
    const { bytesRead } = await file.read(bytes, 0, headBytes, 0);
    const head = bytes.subarray(0, bytesRead);
    const size = imageSize(head);
    return size && { size, orientation: exifOrientation(head) };
  } finally {
    await file.close();
  }
}

/** Finds pictures by the names that labels have for them, in a few folders and nowhere else. */
export class Pictures {
  readonly #folders: readonly string[];
  readonly #signal: AbortSignal;
  readonly #below = new Map<string, Promise<PictureNames>>();

  constructor(folders: readonly string[], signal: AbortSignal) {
    this.#folders = [...new Set(folders.map((folder) => resolve(folder)))];
    this.#signal = signal;
  }

  /**
   * The file of a picture, in the first of the folders that has it: at its path; else the one of its name below, the one
   * whose path ends as the name does where there are several; else the same by names without their endings, which YOLO does
   * not tell.
   */
  async find(file: string): Promise<string | undefined> {
    for (const folder of this.#folders) {
      const path = isAbsolute(file) ? resolve(file) : join(folder, file);
      // What leads out of the folder may be any file of the machine.
      const inside = relative(folder, path);
      if (inside.startsWith(`..${sep}`) || isAbsolute(inside)) continue;
      if ((await stat(path).catch(() => undefined))?.isFile() === true) return path;
    }
    for (const folder of this.#folders) {
      const found = (await this.#in(folder)).find(file);
      if (found !== undefined) return join(folder, found);
    }
    return undefined;
  }

  /** The header of the picture that labels call `file`, if there is one. */
  async head(file: string): Promise<PictureHead | undefined> {
    const path = await this.find(file);
    return path === undefined ? undefined : pictureHead(path);
  }

  #in(folder: string): Promise<PictureNames> {
    const below = this.#below.get(folder) ?? index(folder, this.#signal);
    this.#below.set(folder, below);
    return below;
  }
}

async function index(folder: string, signal: AbortSignal): Promise<PictureNames> {
  return new PictureNames((await walk(folder, signal)).filter(isImageName));
}

export function stemOf(name: string): string {
  return name.replace(/\.[^./]+$/, "");
}
