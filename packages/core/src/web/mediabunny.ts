import type * as Mediabunny from "mediabunny";
import { VideoError } from "../errors.ts";

export type { Mediabunny };

/** The optional package that reads and writes containers, loaded when it is first needed. */
export async function loadMediabunny(): Promise<typeof Mediabunny> {
  try {
    return await import("mediabunny");
  } catch (cause) {
    throw new VideoError("mediabunny-missing", "videos need the package mediabunny: npm install mediabunny", { cause });
  }
}
