/** The reference's numbers and media, which lie beside the repository where there are any. */
import { describe, test } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import type { ByteSource } from "../../src/checkpoint/byte-source.ts";
import type { RawImage } from "../../src/image/image.ts";
import { parseConfig } from "../../src/model/config.ts";
import { loadSam2, type Sam2 } from "../../src/sam2.ts";

/** The files of `../shared`, as a host reads them. Names are relative to it: `media/scene.png`. */
export interface Shared {
  /** Names of the files in a folder, sorted. */
  readonly list: (folder: string) => readonly string[];
  readonly open: (name: string) => Promise<ByteSource>;
  readonly image: (name: string) => Promise<RawImage>;
}

export async function readJson<T>(shared: Shared, name: string): Promise<T> {
  const source = await shared.open(name);
  try {
    return JSON.parse(new TextDecoder().decode(await source.read(0, source.size))) as T;
  } finally {
    await source.close?.();
  }
}

export async function loadNano(shared: Shared, backend: Backend): Promise<Sam2> {
  const config = parseConfig(await readJson(shared, "nano/sam2.1_hiera_nano.json"));
  return loadSam2(await shared.open("nano/sam2.1_hiera_nano.pt"), { backend, config });
}

/** A backend that the suites run on. */
export interface TestedBackend extends Backend {
  /** Device tensors that were made and not disposed of yet. */
  readonly liveTensors: number;
}

export type CreateBackend = () => TestedBackend | Promise<TestedBackend>;

/** Stands for a suite where its files are not there, so that the report shows what was not run. */
export function skipSuite(name: string): void {
  describe.skip(name, () => {
    test("needs ../shared", () => {});
  });
}
