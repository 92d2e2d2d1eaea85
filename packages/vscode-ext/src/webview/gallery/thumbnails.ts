/** Pictures that a page has, the ones that were looked at last, within a bound. */

/** Keeps what was asked for last while its pixels are within `most`; what goes is closed. */
export class PictureCache<
  T extends { readonly bitmap: { readonly width: number; readonly height: number; close(): void } },
> {
  readonly #most: number;
  readonly #kept = new Map<string, T>();
  #pixels = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get pixels(): number {
    return this.#pixels;
  }

  get(key: string): T | undefined {
    const found = this.#kept.get(key);
    if (found !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, found);
    }
    return found;
  }

  set(key: string, value: T): void {
    this.delete(key);
    this.#kept.set(key, value);
    this.#pixels += value.bitmap.width * value.bitmap.height;
    for (const old of this.#kept.keys()) {
      // The newest stays, however large it is.
      if (this.#pixels <= this.#most || old === key) break;
      this.delete(old);
    }
  }

  delete(key: string): void {
    const found = this.#kept.get(key);
    if (found === undefined) return;
    this.#kept.delete(key);
    this.#pixels -= found.bitmap.width * found.bitmap.height;
    found.bitmap.close();
  }

  clear(): void {
    for (const key of [...this.#kept.keys()]) this.delete(key);
  }
}
