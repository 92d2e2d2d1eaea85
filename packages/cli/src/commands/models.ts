/** `masklet models`: published models on this machine. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  cacheFolder,
  changeUserSettings,
  type DownloadOptions,
  downloadModel,
  isPresetName,
  listCachedModels,
  type ModelFiles,
  modelBytes,
  presetNamed,
  presets,
  published,
  readUserSettings,
  removeModel,
  resolveModel,
  verifyModel,
} from "@masklet/core/node";
import { compareFigures, type Figure, type FigureSettings, readFigures } from "../figures.ts";
import { type ExitCode, type Host, print } from "../host.ts";
import { auto, autoName, findModel, showDownload, withModel } from "../models.ts";
import { remember } from "../offer.ts";
import { megabytes, Progress, percent } from "../progress.ts";
import { type Cell, renderTable } from "../table.ts";
import {
  choiceOption,
  commonOptions,
  didYouMean,
  type Help,
  listed,
  parsing,
  renderHelp,
  UsageError,
} from "../usage.ts";

const sources = ["hub", "meta"] as const;

const options = {
  from: {
    type: "string",
    value: "SOURCE",
    help: "For pull: hub (Hugging Face, the default) or meta (Meta's own servers, which have the .pt of its models).",
  },
  figures: {
    type: "boolean",
    help: "For verify: run the model on the pictures and the clip that figures were published for, and print both.",
  },
  cases: { type: "string", value: "JSON", help: "With --figures: other figures than those that ship with masklet." },
  media: {
    type: "string",
    value: "DIR",
    help: "With --figures: a folder that has the pictures and the clip, instead of fetching them.",
  },
  json: { type: "boolean", help: "Print it as JSON." },
  quiet: { type: "boolean", short: "q", help: "Show no progress." },
  ...commonOptions,
} as const;

const help: Help = {
  usage: "masklet models list | use NAME | (pull | path | verify | remove) NAME... [options]",
  about: `Models in the cache that Python's tools share: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.

  list     Published models, how large they are, their licences, and which of them are here.
  use      Choose the model for all that name none: one that is here, a file, a folder, nano, or auto, which is no choice.
  pull     Fetch models. What was cut goes on where it stopped; what is here is not fetched again. The first one is chosen.
  path     Print where each model's checkpoint is.
  verify   Compute the hashes of what is here, and compare them with those that were published.
  remove   Delete models from the cache, for Python's tools too.

NAME is one of list's (sam2.1-hiera-tiny), or owner/model as on Hugging Face.`,
  sections: { Options: options },
  notes: `HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured. The token goes to the hub alone.

Exit codes: 0 done, 1 failed or damaged, 2 wrong usage, 130 interrupted.`,
  examples: ["masklet models list", "masklet models pull sam2.1-hiera-tiny", "masklet models verify sam2.1-hiera-tiny"],
};

/** What an action is given. */
interface Call {
  readonly names: readonly string[];
  readonly from: (typeof sources)[number];
  /** What --figures takes, where it was given. */
  readonly figures: { readonly cases: string | undefined; readonly media: string | undefined } | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly host: Host;
  readonly progress: Progress;
}

const actions: Readonly<Record<string, (call: Call) => Promise<ExitCode>>> = { list, use, pull, path, verify, remove };

export async function models(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const [name = "", ...names] = positionals;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action === undefined) {
    throw new UsageError(
      `needs ${listed(Object.keys(actions), "or")}${name === "" ? "" : `, got "${name}"${didYouMean(name, Object.keys(actions))}`}`,
    );
  }
  if (name === "list" && names.length > 0) throw new UsageError(`list takes no names, got ${names.join(" ")}`);
  if (name !== "list" && names.length === 0) throw new UsageError(`${name} needs the name of a model`);
  if (name === "use" && names.length > 1) throw new UsageError(`use takes one name, got ${names.join(" ")}`);
  if (values.from !== undefined && name !== "pull") throw new UsageError(`--from is for pull, got it with ${name}`);
  const { cases, media } = values;
  if (values.figures === true && name !== "verify")
    throw new UsageError(`--figures is for verify, got it with ${name}`);
  for (const [option, value] of Object.entries({ cases, media })) {
    if (value !== undefined && values.figures !== true) throw new UsageError(`--${option} ${value} needs --figures`);
  }
  const figures = values.figures === true ? { cases, media } : undefined;
  const from = choiceOption("--from", values.from ?? "hub", sources);
  const quiet = values.quiet === true;
  const progress = new Progress(host, quiet);
  try {
    return await action({ names, from, figures, json: values.json === true, quiet, host, progress });
  } finally {
    progress.clear();
  }
}

async function list({ json, host }: Call): Promise<0> {
  const { env } = host;
  const here = new Map<string, string>((await listCachedModels(env)).map((model) => [model.name, model.checkpoint]));
  const found = await Promise.all(
    Object.keys(presets)
      .filter(isPresetName)
      .map(async (name) => {
        const checkpoint = here.get(name) ?? null;
        const bytes = checkpoint === null ? null : (await stat(checkpoint)).size;
        const { license } = published[name];
        return { name, license, checkpoint, bytes, downloadBytes: modelBytes(name) };
      }),
  );
  const rows = found.map(({ name, license, checkpoint, bytes, downloadBytes }): Cell[] => [
    name,
    { text: bytes === null ? `about ${megabytes(downloadBytes)}` : megabytes(bytes), right: true },
    license,
    checkpoint ?? "not here",
  ]);
  const cache = cacheFolder(env);
  const chosen = await autoName(env);
  const text = `${renderTable(rows)}\nThe cache is ${cache}.\nWhere no model is named it is ${chosen}.\n`;
  await print(host, json ? asJson({ cache, models: found, auto: chosen }) : text);
  return 0;
}

async function use({ names: [given = ""], json, host }: Call): Promise<0> {
  const { env } = host;
  if (given === auto) {
    await changeUserSettings(env, { model: undefined });
  } else {
    await findModel(given, env); // it must be there
    const here = (await stat(given).catch(() => undefined)) !== undefined;
    await changeUserSettings(env, { model: presetNamed(given) ?? (here ? resolve(given) : given) });
  }
  const name = await autoName(env);
  await print(host, json ? asJson({ auto: name }) : `Where no model is named it is ${name}.\n`);
  return 0;
}

async function pull(call: Call): Promise<0> {
  const { env, signal, stderr } = call.host;
  await eachPath(call, (name) => {
    const settings: DownloadOptions = { env, signal, from: call.from, onProgress: showDownload(name, call.progress) };
    return downloadModel(name, settings);
  });
  const [first = ""] = call.names;
  if ((await readUserSettings(env)).model === undefined) {
    await remember(call.host, { model: presetNamed(first) ?? first });
    if (!call.quiet) stderr.write(`masklet: where no model is named it is ${first} now (masklet models use)\n`);
  }
  return 0;
}

function path(call: Call): Promise<0> {
  return eachPath(call, (name) => resolveModel(name, { env: call.host.env }));
}

async function eachPath(
  { names, json, host, progress }: Call,
  find: (name: string) => Promise<ModelFiles>,
): Promise<0> {
  for (const name of names) {
    const files = await find(name);
    progress.clear();
    await print(host, json ? asJson({ name, ...files }) : `${files.checkpoint}\n`);
  }
  return 0;
}

async function verify(call: Call): Promise<ExitCode> {
  if (call.figures !== undefined) return verifyFigures(call, call.figures);
  const { names, json, host, progress } = call;
  const { env, signal } = host;
  let damaged = false;
  for (const name of names) {
    const files = await verifyModel(name, {
      env,
      signal,
      onProgress: ({ item, fraction }) => progress.show(`${name}: ${item} ${percent(fraction, 1)}`),
    });
    progress.clear();
    damaged ||= files.some(({ intact }) => intact === false);
    const verdict = (intact: boolean | undefined): string =>
      intact === undefined ? "no published hash is known" : intact ? "intact" : "DAMAGED";
    const rows = files.map(({ path, algorithm, digest, intact }) => [verdict(intact), `${algorithm} ${digest}`, path]);
    await print(host, json ? asJson({ name, files }) : renderTable(rows));
  }
  return damaged ? 1 : 0;
}

/** Loads each model and runs its published cases. */
async function verifyFigures(
  { names, json, host, progress }: Call,
  { cases, media }: NonNullable<Call["figures"]>,
): Promise<ExitCode> {
  const { env, signal } = host;
  let failed = 0;
  for (const name of names) {
    const expected = await readFigures(name, cases);
    const settings: FigureSettings = {
      media,
      download: { env, signal, onProgress: showDownload(name, progress) },
      onCase: (title) => progress.show(`${name}: ${title}`),
    };
    const backend = { name: "ort", device: "cpu", threads: undefined } as const;
    const figures: Figure[] = [];
    let sha256 = "";
    await withModel(
      { model: name, offline: false, config: undefined, dtype: "fp32", backend },
      { host, progress, quiet: true },
      async (model, facts) => {
        ({ sha256 } = await facts);
        for await (const compared of compareFigures(model, expected, settings)) {
          progress.clear();
          figures.push(...compared);
          if (!json) await print(host, renderTable(compared.map(figureRow)));
        }
      },
    );
    const wrong = figures.filter(({ holds }) => !holds).length;
    failed += wrong;
    const { about, tolerance } = expected;
    const allowed = `predicted IoU within ${tolerance.iou}, logits within ${100 * tolerance.logit}%`;
    const verdict = `${figures.length - wrong} of ${figures.length} figures hold (${allowed})`;
    await print(
      host,
      json ? asJson({ name, sha256, about, tolerance, figures }) : `\n${about}\n\n${name}: ${verdict}.\n`,
    );
  }
  return failed === 0 ? 0 : 1;
}

function figureRow({ what, published, ours, holds }: Figure): readonly Cell[] {
  const number = (value: number): Cell => ({ text: value.toFixed(4), right: true });
  return [what.padEnd(52), number(published), number(ours), holds ? "holds" : "DIFFERS"];
}

async function remove({ names, json, host }: Call): Promise<0> {
  for (const name of names) {
    const bytes = await removeModel(name, { env: host.env });
    const { model: chosen } = await readUserSettings(host.env);
    if (chosen === (presetNamed(name) ?? name)) await remember(host, { model: undefined });
    const told = bytes === 0 ? `${name} was not there` : `${name}: ${megabytes(bytes)} freed`;
    await print(host, json ? asJson({ name, bytes }) : `${told}\n`);
  }
  return 0;
}

function asJson(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
