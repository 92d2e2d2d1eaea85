/** The pictures of `--mask`: which object each of their labels is. */
import { type ImageWarning, type Mask, type MaskPicture, PromptError, readMaskPicture } from "@masklet/core/node";
import { type Host, onceEach } from "./host.ts";
import type { ObjectPrompt, PromptOption, PromptSyntax } from "./prompts.ts";
import { UsageError } from "./usage.ts";

/** Pictures that were read, each once. */
export class MaskPictures {
  readonly #signal: AbortSignal;
  readonly #onWarning: (warning: ImageWarning) => void;
  readonly #read = new Map<string, Promise<MaskPicture>>();

  /** What is to be said of them goes to standard error, once, as `where`'s. */
  constructor({ signal, stderr }: Pick<Host, "signal" | "stderr">, where: string) {
    this.#signal = signal;
    this.#onWarning = onceEach((problem) => void stderr.write(`${where}: ${problem}\n`));
  }

  /** Rejects as `readMaskPicture`, with a `PromptError` "empty-mask" for a picture that shows no object. */
  async read(path: string): Promise<MaskPicture> {
    const reading = this.#read.get(path) ?? readMaskPicture(path, { signal: this.#signal, onWarning: this.#onWarning });
    this.#read.set(path, reading);
    const picture = await reading;
    if (picture.labels.length > 0) return picture;
    throw new PromptError("empty-mask", `--mask ${path}: the picture shows no object: all of it is background`, {
      details: { mask: path },
    });
  }

  /** The mask of a prompt that has one. Rejects as `read`, with a `UsageError` where its label is not there or not said. */
  async maskOf({
    id,
    mask,
    maskLabel,
  }: Pick<ObjectPrompt, "id" | "maskLabel"> & { readonly mask: string }): Promise<Mask> {
    const picture = await this.read(mask);
    const { labels } = picture;
    if (maskLabel !== undefined && !labels.includes(maskLabel)) {
      const has = labels.length === 1 ? `the label ${labels[0]}` : `the labels ${list(labels)}`;
      throw new UsageError(`--mask ${mask}#${maskLabel}=${id}: the picture has no label ${maskLabel}, only ${has}`);
    }
    if (maskLabel === undefined && labels.length > 1) {
      throw new UsageError(
        `--mask ${mask}#${id}: the picture has the labels ${list(labels)}. Say which of them is object ${id}, ` +
          `--mask ${mask}#${labels[0]}=${id}, or leave the ID out, so that each is an object of its own`,
      );
    }
    return picture.mask(maskLabel);
  }
}

/**
 * The options with a `--mask` for each label where one without an ID names a picture that has several: the label is then
 * the ID. Rejects as `MaskPictures.maskOf`, with a `UsageError` for labels that are no IDs.
 */
export async function eachLabel(
  options: readonly PromptOption[],
  syntax: PromptSyntax,
  pictures: MaskPictures,
): Promise<readonly PromptOption[]> {
  const each = await Promise.all(
    options.map(async (option): Promise<readonly PromptOption[]> => {
      if (option.name !== "mask") return [option];
      const { text, id, label } = syntax.split(option);
      if (text === "") return [option];
      if (id !== undefined) {
        // Said now, not with the first image.
        await pictures.maskOf({ id, mask: text, ...(label !== undefined && { maskLabel: label }) });
        return [option];
      }
      const { labels } = await pictures.read(text);
      if (labels.length === 1) return [option];
      const wrong = labels.find((label) => !syntax.isId(String(label)));
      if (wrong !== undefined) {
        throw new UsageError(
          `--mask ${option.value}: the picture has the labels ${list(labels)}, and ${wrong} cannot be an ID. ` +
            `Say which are which objects: --mask ${option.value}#${wrong}=1`,
        );
      }
      return labels.map((label) => ({ name: "mask", value: `${option.value}#${label}=${label}` }));
    }),
  );
  return each.flat();
}

function list(labels: readonly number[]): string {
  return labels.length <= 20 ? labels.join(", ") : `${labels.slice(0, 20).join(", ")} and ${labels.length - 20} more`;
}
