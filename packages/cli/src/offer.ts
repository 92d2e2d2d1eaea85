/** The offer to fetch a real model, and what is remembered of the answer. */
import { createInterface } from "node:readline/promises";
import { cacheFolder, changeUserSettings, MaskletError, modelBytes, type PresetName } from "@masklet/core/node";
import { describeError, type Host } from "./host.ts";
import { megabytes } from "./progress.ts";

/** The models that are offered; the first unless another is named. */
export const offered: readonly PresetName[] = [
  "sam2.1-hiera-tiny",
  "sam2.1-hiera-small",
  "sam2.1-hiera-base-plus",
  "sam2.1-hiera-large",
];

/** Keeps a setting, or says that it cannot be kept. */
export async function remember(
  { env, stderr }: Pick<Host, "env" | "stderr">,
  changes: Parameters<typeof changeUserSettings>[1],
): Promise<void> {
  await changeUserSettings(env, changes).catch((error: unknown) => {
    ignoreUnwritable(error);
    stderr.write(`masklet: this is not remembered: ${describeError(error)}\n`);
  });
}

export function ignoreUnwritable(error: unknown): void {
  if (!(error instanceof MaskletError && error.code === "write-failed")) throw error;
}

/** Asks which model to fetch. -> its name; `undefined`: none, also where the input ends. Rejects with the signal's reason. */
export async function offerModel({ env, stderr, stdin, signal }: Host): Promise<PresetName | undefined> {
  const rows = offered.map((name, i) => `  ${i + 1}  ${name.padEnd(24)}${megabytes(modelBytes(name)).padStart(9)}\n`);
  stderr.write(
    "None of SAM 2's models is on this machine. nano, the small one that ships with masklet, was made for drawings and\n" +
      "tests: its masks of photographs are rough. Fetch one of Meta's? You are asked this once.\n\n" +
      `${rows.join("")}  n  none, go on with nano\n\n` +
      `Licence: Apache 2.0. From https://huggingface.co/facebook, to ${cacheFolder(env)}.\n`,
  );
  const lines = createInterface({ input: stdin, terminal: false });
  try {
    stderr.write("Which? [1] ");
    const aborted = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    const answers = lines[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await Promise.race([answers.next(), aborted]);
      if (done === true) {
        stderr.write("\n");
        return undefined;
      }
      const answer = value.trim().toLowerCase();
      if (/^(n|no|none|nano)$/.test(answer)) return undefined;
      const name = /^(|y|yes)$/.test(answer)
        ? offered[0]
        : (offered[Number(answer) - 1] ?? offered.find((one) => one === answer));
      if (name !== undefined) return name;
      stderr.write(`Which? 1 to ${offered.length}, or n [1] `);
    }
  } finally {
    lines.close();
  }
}
