/** `masklet mcp`: segmentation and labels for language models, by the Model Context Protocol. */
import { realpath } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { Sam2 } from "@masklet/core/node";
import { type ExitCode, type Host, print } from "../host.ts";
import { type McpServer, serveMcp } from "../mcp/server.ts";
import { toolsOf } from "../mcp/tools.ts";
import { computeOptions, maxPixelsOf, modelSettings, otherOptions } from "../model-options.ts";
import { withModel } from "../models.ts";
import { Progress } from "../progress.ts";
import { type Help, parsing, renderHelp, UsageError } from "../usage.ts";
import { version } from "../version.ts";

const ownOptions = {
  root: {
    type: "string",
    value: "DIR",
    help: "The folder that may be read, and nothing outside of it. Default: the current one.",
  },
} as const;

const options = { ...ownOptions, ...computeOptions, ...otherOptions } as const;

const help: Help = {
  usage: "masklet mcp [options]",
  about: `Serve a language model's tools on standard input and output, by the Model Context Protocol: masklet_segment finds an
object and answers with a picture of it, masklet_labels_check and masklet_dataset_stats read labels. They write nothing.
The model is loaded when it is first asked for.`,
  sections: { "What is read": ownOptions, "How to find it": computeOptions, Others: otherOptions },
  notes: "Exit codes: 0 standard input ended, 1 failed, 2 wrong usage, 130 interrupted.",
  examples: ["masklet mcp --root datasets --model sam2.1-hiera-tiny", "claude mcp add masklet -- npx @masklet/cli mcp"],
};

export async function mcp(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  if (positionals.length > 0) throw new UsageError(`takes no arguments, got ${positionals.join(" ")}`);
  const { root: given = ".", quiet = false } = values;
  const settings = modelSettings(values);
  const maxPixels = maxPixelsOf(values);
  const root = await realpath(given).catch(() => {
    throw new UsageError(`--root ${given}: there is no such folder`);
  });
  const progress = new Progress(host, quiet);
  // Standard input is the client's: nobody can be asked there.
  const asking = { host: { ...host, stdin: Object.create(host.stdin, { isTTY: { value: false } }) }, progress, quiet };

  let loading: Promise<Sam2> | undefined;
  let release = (): void => {};
  let held: Promise<void> = Promise.resolve();
  const model = (): Promise<Sam2> => {
    loading ??= new Promise<Sam2>((resolve, reject) => {
      held = withModel(settings, asking, (loaded) => {
        resolve(loaded);
        return new Promise<void>((over) => {
          release = over;
        });
      }).catch((error: unknown) => {
        loading = undefined; // the next call tries again
        reject(error);
      });
    });
    return loading;
  };
  const server: McpServer = { name: "masklet", version, tools: toolsOf({ root, maxPixels, model }) };
  try {
    await serveMcp(server, host);
  } finally {
    release();
    await held;
  }
  return 0;
}
