/** The pictures that labels are about, on the disk. */
import { open, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { isImageName, type Size } from "@masklet/core/node";
import { exifOrientation, imageSize, type Orientation, turnSize } from "@masklet/labels";
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
  readonly #below = new Map<string, Promise<Below>>();

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
    const whole = file.replace(/^(\.*\/)+/, "").normalize("NFC");
    for (const folder of this.#folders) {
      const { byName, byStem } = await this.#in(folder);
      const found = single(byName, whole) ?? single(byStem, stemOf(whole));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The header of the picture that labels call `file`, if there is one. */
  async head(file: string): Promise<PictureHead | undefined> {
    const path = await this.find(file);
    return path === undefined ? undefined : pictureHead(path);
  }

  #in(folder: string): Promise<Below> {
    const below = this.#below.get(folder) ?? index(folder, this.#signal);
    this.#below.set(folder, below);
    return below;
  }
}

/** The pictures below a folder, by what comes after the last slash. */
interface Below {
  readonly byName: Listing;
  readonly byStem: Listing;
}

async function index(folder: string, signal: AbortSignal): Promise<Below> {
  const [byName, byStem] = [new Map<string, Listed[]>(), new Map<string, Listed[]>()];
  const put = (map: Map<string, Listed[]>, name: string, path: string): void => {
    const key = name.slice(name.lastIndexOf("/") + 1);
    const list = map.get(key);
    if (list === undefined) map.set(key, [{ name, path }]);
    else list.push({ name, path });
  };
  for (const file of await walk(folder, signal)) {
    if (!isImageName(file)) continue;
    const name = file.normalize("NFC");
    put(byName, name, join(folder, file));
    put(byStem, stemOf(name), join(folder, file));
  }
  return { byName, byStem };
}

interface Listed {
  /** Relative to the folder. */
  readonly name: string;
  readonly path: string;
}

type Listing = ReadonlyMap<string, readonly Listed[]>;

function single(listing: Listing, name: string): string | undefined {
  const named = listing.get(name.slice(name.lastIndexOf("/") + 1)) ?? [];
  if (named.length < 2) return named[0]?.path;
  const fitting = named.filter((one) => `/${one.name}`.endsWith(`/${name}`));
  return fitting.length === 1 ? fitting[0]?.path : undefined;
}

export function stemOf(name: string): string {
  return name.replace(/\.[^./]+$/, "");
}
