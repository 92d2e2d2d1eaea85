/** Tools for language models: an agent can make masks, and see what is wrong with labels and what is in them. */
import { checkLabels, imageSize, type LabelFiles, labelStats, type ReadResult, readLabels } from "@masklet/labels";
import {
  type CancellationToken,
  type ExtensionContext,
  FileType,
  LanguageModelDataPart,
  LanguageModelTextPart,
  type LanguageModelTool,
  LanguageModelToolResult,
  l10n,
  lm,
  MarkdownString,
  Uri,
  workspace,
} from "vscode";
import { ExtensionError } from "./errors.ts";
import type { SegmentAnswer, SegmentPrompt } from "./protocol.ts";

/** Findings that are listed; the others are counted. */
const LISTED = 50;

export interface SegmentInput extends SegmentPrompt {
  /** The picture, by its path in the workspace or whole. */
  readonly image: string;
  /** Puts what is found into the editor as a draft, which a person accepts or removes. */
  readonly addDraft?: boolean;
  readonly class?: string;
}

/** Opens a picture in the editor and asks its page. */
export type Segmenter = (image: Uri, input: SegmentInput, token: CancellationToken) => Promise<SegmentAnswer>;

export function registerTools(context: ExtensionContext, segment: Segmenter): void {
  context.subscriptions.push(
    lm.registerTool<SegmentInput>("masklet_segment", segmentTool(segment)),
    lm.registerTool<{ readonly path: string }>("masklet_labels_check", {
      invoke: ({ input }, token) => check(input, token),
    }),
    lm.registerTool<{ readonly path: string }>("masklet_dataset_stats", {
      invoke: ({ input }, token) => stats(input, token),
    }),
  );
}

function segmentTool(segment: Segmenter): LanguageModelTool<SegmentInput> {
  return {
    prepareInvocation: ({ input }) => ({
      invocationMessage: l10n.t("Segmenting in {0}", input.image),
      // What changes something is confirmed, though it is a draft that no file has.
      ...(input.addDraft === true && {
        confirmationMessages: {
          title: l10n.t("Add a draft"),
          message: new MarkdownString(
            l10n.t("A draft of an object is added to {0}. No file changes until you accept and save it.", input.image),
          ),
        },
      }),
    }),
    invoke: async ({ input }, token) => {
      if (input.addDraft === true && !workspace.isTrusted) {
        throw new ExtensionError(
          "labels-read-only",
          l10n.t("This workspace is not trusted: labels are shown, and not changed."),
        );
      }
      const { png, ...found } = await segment(await locate(input.image), input, token);
      return new LanguageModelToolResult([
        new LanguageModelTextPart(JSON.stringify(found)),
        LanguageModelDataPart.image(new Uint8Array(png), "image/png"),
      ]);
    },
  };
}

async function check({ path }: { readonly path: string }, token: CancellationToken): Promise<LanguageModelToolResult> {
  const read = await labelsAt(path, token);
  const findings = [...read.findings, ...checkLabels(read.dataset)];
  const errors = findings.filter(({ severity }) => severity === "error");
  return told({
    format: read.format,
    images: read.dataset.images.length,
    objects: read.dataset.images.reduce((sum, { objects }) => sum + objects.length, 0),
    errors: errors.length,
    warnings: findings.length - errors.length,
    findings: [...errors, ...findings.filter(({ severity }) => severity !== "error")].slice(0, LISTED),
    ...(findings.length > LISTED && { notListed: findings.length - LISTED }),
  });
}

async function stats({ path }: { readonly path: string }, token: CancellationToken): Promise<LanguageModelToolResult> {
  const read = await labelsAt(path, token);
  return told({ format: read.format, ...labelStats(read.dataset) });
}

function told(value: unknown): LanguageModelToolResult {
  return new LanguageModelToolResult([new LanguageModelTextPart(JSON.stringify(value, undefined, 1))]);
}

/** A path of the workspace, or a whole one inside of it: nothing else is opened for a model. */
async function locate(path: string): Promise<Uri> {
  const folders = workspace.workspaceFolders ?? [];
  for (const { uri } of folders) {
    const whole =
      path.startsWith("/") || /^[a-z]:[\\/]/i.test(path)
        ? uri.with({ path: Uri.file(path).path })
        : Uri.joinPath(uri, path);
    if (whole.path !== uri.path && !whole.path.startsWith(`${uri.path.replace(/\/$/, "")}/`)) continue;
    try {
      await workspace.fs.stat(whole);
      return whole;
    } catch {
      // Another folder may have it.
    }
  }
  throw new ExtensionError("not-found", `${path}: is not in the folders that are open`, { details: { path } });
}

/** The labels of a folder or in one file, with everything that makes no sense among the findings. */
async function labelsAt(path: string, token: CancellationToken): Promise<ReadResult> {
  const at = await locate(path);
  const isFolder = ((await workspace.fs.stat(at)).type & FileType.Directory) !== 0;
  const folder = isFolder ? at : Uri.joinPath(at, "..");
  const files: LabelFiles = {
    paths: isFolder ? await filesIn(folder, token) : [at.path.slice(folder.path.length + 1)],
    read: async (name) => {
      if (token.isCancellationRequested) throw new ExtensionError("cancelled", "the reading of labels was cancelled");
      return workspace.fs.readFile(Uri.joinPath(folder, name));
    },
  };
  const sizeOf = async (name: string): Promise<ReturnType<typeof imageSize>> => {
    if (!files.paths.includes(name)) return undefined;
    return imageSize(await files.read(name));
  };
  return readLabels(files, { problems: "collect", imageSize: sizeOf });
}

async function filesIn(folder: Uri, token: CancellationToken, within = ""): Promise<readonly string[]> {
  if (token.isCancellationRequested) throw new ExtensionError("cancelled", "the reading of labels was cancelled");
  const found: string[] = [];
  const entries = await workspace.fs.readDirectory(within === "" ? folder : Uri.joinPath(folder, within));
  for (const [name, type] of entries) {
    if (name.startsWith(".") || name === "node_modules") continue;
    const path = within === "" ? name : `${within}/${name}`;
    // A linked folder may lead back up.
    if ((type & FileType.Directory) === 0) found.push(path);
    else if ((type & FileType.SymbolicLink) === 0) found.push(...(await filesIn(folder, token, path)));
  }
  return found;
}
