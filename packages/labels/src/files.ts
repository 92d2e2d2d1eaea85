/** Files as formats see them: paths with forward slashes, relative to the folder or archive that holds the labels. */
import { decodeUtf8, type Size } from "@masklet/core";
import { LabelError } from "./errors.ts";
import { exifOrientation, turnSize } from "./exif.ts";
import { imageSize } from "./image-size.ts";

/** Files to read: a folder, an archive, what was dropped on a page. */
export interface LabelFiles {
  readonly paths: readonly string[];
  /** Rejects for a path that is not among them. */
  read(path: string): Promise<Uint8Array>;
}

/** A file to write. Its bytes are made when they are asked for. */
export interface LabelFile {
  readonly path: string;
  bytes(): Promise<Uint8Array>;
}

/** Files in memory. */
export function filesOf(contents: Readonly<Record<string, Uint8Array>>): LabelFiles {
  return {
    paths: Object.keys(contents),
    read: async (path) => {
      const bytes = Object.hasOwn(contents, path) ? contents[path] : undefined;
      if (bytes === undefined) throw missing(path);
      return bytes;
    },
  };
}

export function missing(path: string): LabelError {
  return new LabelError("file-missing", `${path}: is not among the files`, { details: { file: path } });
}

/** What may be wrong with labels without making the rest of the file useless. */
export interface Finding {
  /** `error`: an object is left out, or means something else than it says. */
  readonly severity: "error" | "warning";
  readonly file: string;
  /** Line, element or field. */
  readonly at: string;
  readonly message: string;
}

export interface ReadOptions {
  /**
   * Sizes of pictures for formats that do not tell them (YOLO), by the path as the labels name it; pictures among the
   * files are looked at without this.
   */
  readonly imageSize?: (path: string) => Promise<Size | undefined> | Size | undefined;
}

/** What a reader reads with: the files, sizes of pictures, and where findings go. */
export class ReadContext {
  readonly files: LabelFiles;
  readonly findings: Finding[] = [];
  readonly #options: ReadOptions;
  readonly #paths: ReadonlySet<string>;
  #byName: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(files: LabelFiles, options: ReadOptions = {}) {
    this.files = files;
    this.#options = options;
    this.#paths = new Set(files.paths);
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  read(path: string): Promise<Uint8Array> {
    if (!this.has(path)) return Promise.reject(missing(path));
    return this.files.read(path);
  }

  /** A text file without its byte order mark. */
  async text(path: string): Promise<string> {
    const text = decodeUtf8(await this.read(path));
    if (text === undefined) {
      throw new LabelError("text-malformed", `${path}: is not UTF-8`, { details: { file: path } });
    }
    return text.startsWith("\ufeff") ? text.slice(1) : text;
  }

  error(file: string, at: string | number, message: string): void {
    this.findings.push({ severity: "error", file, at: String(at), message });
  }

  warn(file: string, at: string | number, message: string): void {
    this.findings.push({ severity: "warning", file, at: String(at), message });
  }

  /** Runs `read`; an object that makes no sense becomes a finding and `undefined`. */
  attempt<T>(file: string, at: string | number, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      this.error(file, at, error.message);
      return undefined;
    }
  }

  /** The size of a picture: from its file where it is among the files, else as the options say. */
  async size(path: string): Promise<Size | undefined> {
    const told = await this.#options.imageSize?.(path);
    if (told !== undefined) return told;
    const found = this.findPicture(path);
    if (found === undefined) return undefined;
    const bytes = await this.read(found);
    const stored = imageSize(bytes);
    // Trainers see pictures upright.
    return stored && turnSize(stored, exifOrientation(bytes));
  }

  /** A picture's file by its path, or by its name where only one has it. */
  findPicture(path: string): string | undefined {
    if (this.has(path)) return path;
    this.#byName ??= groupBy(this.files.paths, baseName);
    const named = this.#byName.get(baseName(path)) ?? [];
    return named.length === 1 ? named[0] : undefined;
  }
}

export function groupBy<T>(values: readonly T[], key: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const name = key(value);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [value]);
    else group.push(value);
  }
  return groups;
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A path's folder with its slash; empty at the top. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** A path without its extension. */
export function stem(path: string): string {
  const dot = path.lastIndexOf(".");
  return dot > path.lastIndexOf("/") + 1 ? path.slice(0, dot) : path;
}

/** Windows' separators as forward slashes, `./` and `a/../` resolved; `..` at the top stays. */
export function normalPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.replaceAll("\\", "/").split("/")) {
    if (part === "." || (part === "" && parts.length > 0)) continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== ".." && parts.at(-1) !== "") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

/** Whether a name ends as pictures do. */
export function isPicture(path: string): boolean {
  return /\.(jpe?g|png|webp|bmp|tiff?|gif|avif|heic|jp2|dng|mpo|pfm)$/i.test(path);
}
