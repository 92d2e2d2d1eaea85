/** Pictures by the names that labels have for them. */
import { baseName, stem } from "./files.ts";

/** A list of pictures' paths in which labels' names are looked up. */
export class PictureNames {
  readonly #paths: ReadonlySet<string>;
  readonly #byName = new Map<string, string[]>();
  readonly #byStem = new Map<string, string[]>();

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
    for (const path of paths) {
      const name = path.normalize("NFC");
      put(this.#byName, baseName(name), path);
      put(this.#byStem, baseName(stem(name)), path);
    }
  }

  /**
   * The picture that labels call `file`: the one at that path; else the one of its name, the one whose path ends as the name
   * does where there are several; else the same by names without their endings, which YOLO does not tell.
   */
  find(file: string): string | undefined {
    if (this.#paths.has(file)) return file;
    const whole = file.replace(/^(\.*\/)+/, "").normalize("NFC");
    return (
      single(this.#byName.get(baseName(whole)), whole, (path) => path) ??
      single(this.#byStem.get(baseName(stem(whole))), stem(whole), stem)
    );
  }
}

function put(map: Map<string, string[]>, name: string, path: string): void {
  const list = map.get(name);
  if (list === undefined) map.set(name, [path]);
  else list.push(path);
}

function single(named: readonly string[] = [], name: string, of: (path: string) => string): string | undefined {
  if (named.length < 2) return named[0];
  const fitting = named.filter((path) => `/${of(path.normalize("NFC"))}`.endsWith(`/${name}`));
  return fitting.length === 1 ? fitting[0] : undefined;
}
