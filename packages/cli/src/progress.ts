import type { FetchOptions } from "@masklet/core/node";
import type { Host } from "./host.ts";

/** One line on a terminal that is written over and over; where standard error is none, nothing. */
export class Progress {
  readonly #stderr: Host["stderr"] | undefined;
  readonly #notes: Host["stderr"] | undefined;
  #shown = "";

  constructor({ stderr }: Host, quiet: boolean) {
    this.#notes = quiet ? undefined : stderr;
    this.#stderr = stderr.isTTY === true && !quiet ? stderr : undefined;
  }

  /** Shows `text` in place of what was there. */
  show(text: string): void {
    if (text === this.#shown) return;
    this.#shown = text;
    const columns = this.#stderr?.columns || 80; // 0 where a terminal does not know
    this.#stderr?.write(`\r\x1b[2K${text.slice(0, columns - 1)}`);
  }

  /** Leaves `text` standing. */
  keep(text: string): void {
    this.clear();
    this.#stderr?.write(`${text}\n`);
  }

  /** Says `text` whether or not standard error is a terminal. */
  note(text: string): void {
    this.clear();
    this.#notes?.write(`${text}\n`);
  }

  clear(): void {
    if (this.#shown === "") return;
    this.#shown = "";
    this.#stderr?.write("\r\x1b[2K");
  }
}

/** Shows how far it is with a picture or a video that is fetched. */
export function showFetching(progress: Progress): NonNullable<FetchOptions["onProgress"]> {
  return ({ item, loaded, total }) => {
    const how = total === undefined ? megabytes(loaded) : `${percent(loaded, total)} of ${megabytes(total)}`;
    progress.show(`fetching ${item}: ${how}`);
  };
}

export function percent(part: number, all: number): string {
  return `${all === 0 ? 100 : Math.floor((100 * part) / all)}%`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
