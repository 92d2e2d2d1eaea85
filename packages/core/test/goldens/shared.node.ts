import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fileSource, readImage } from "../../src/node.ts";
import type { Shared } from "./shared.ts";

const folder = new URL("../../../../../shared/", import.meta.url);

/** Path of a file of `../shared`. */
export const sharedPath = (name: string): string => fileURLToPath(new URL(name, folder));

/** `undefined` in a clone that has none beside it. */
export const shared: Shared | undefined = existsSync(folder)
  ? {
      list: (name) => readdirSync(sharedPath(name)).sort(),
      open: (name) => fileSource(sharedPath(name)),
      image: (name) => readImage(sharedPath(name)),
    }
  : undefined;
