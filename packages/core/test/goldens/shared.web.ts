import { bytesSource } from "../../src/checkpoint/byte-source.ts";
import { imageFrom } from "../../src/web.ts";
import type { Shared } from "./shared.ts";

declare global {
  interface ImportMeta {
    /** The test server's: files by pattern, and for each a function that imports it. */
    glob(pattern: string, options: { query: "?url"; import: "default" }): Record<string, () => Promise<string>>;
  }
}

const folder = "../../../../../shared/";
const files = import.meta.glob("../../../../../shared/{goldens,media,nano}/**/*.*", {
  query: "?url",
  import: "default",
});

async function blob(name: string): Promise<Blob> {
  const url = files[`${folder}${name}`];
  if (url === undefined) throw new Error(`there is no ${name} in ../shared`);
  const response = await fetch(await url());
  if (!response.ok) throw new Error(`${name}: the test server answers ${response.status}`);
  return response.blob();
}

/** `undefined` in a clone that has none beside it. */
export const shared: Shared | undefined =
  Object.keys(files).length > 0
    ? {
        list: (name) =>
          Object.keys(files)
            .filter((path) => path.startsWith(`${folder}${name}/`))
            .map((path) => path.slice(`${folder}${name}/`.length))
            .sort(),
        open: async (name) => bytesSource(new Uint8Array(await (await blob(name)).arrayBuffer()), name),
        image: async (name) => imageFrom(await blob(name)),
      }
    : undefined;
