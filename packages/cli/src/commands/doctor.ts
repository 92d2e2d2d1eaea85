/** `masklet doctor`: what this machine can run. */
import { arch, availableParallelism, cpus, release, totalmem } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  cacheFolder,
  type Environment,
  type FfmpegProgram,
  ffmpegInstallHint,
  ffmpegVersion,
  findFfmpeg,
  listCachedModels,
} from "@masklet/core/node";
import { type ExitCode, type Host, print } from "../host.ts";
import { autoName } from "../models.ts";
import { inProcess } from "../quiet.ts";
import { renderTable } from "../table.ts";
import { commonOptions, type Help, parsing, renderHelp } from "../usage.ts";
import { version } from "../version.ts";

const options = { json: { type: "boolean", help: "Print it as JSON." }, ...commonOptions } as const;

const help: Help = {
  usage: "masklet doctor [options]",
  about: "Show what this machine can run: devices, image formats, models. Exits with 1 if it cannot segment at all.",
  sections: { Options: options },
  examples: ["masklet doctor", "masklet doctor --json"],
};

/** A part that works, or the reason why it does not. */
type Part<T> = T | { readonly error: string };

interface Program {
  readonly path: string;
  readonly version: string;
}

interface Report {
  readonly masklet: string;
  readonly node: string;
  readonly platform: string;
  readonly cpu: { readonly model: string; readonly threads: number; readonly memoryBytes: number };
  readonly onnxruntime: Part<{ readonly version: string; readonly devices: readonly string[] }>;
  readonly tensorflowjs: Part<{ readonly engines: readonly string[] }>;
  readonly sharp: Part<{ readonly version: string; readonly libvips: string; readonly formats: readonly string[] }>;
  readonly ffmpeg: Part<Program>;
  readonly ffprobe: Part<Program>;
  readonly models: {
    readonly cache: string;
    readonly found: readonly { readonly name: string; readonly checkpoint: string }[];
    readonly default: string;
  };
}

export async function doctor(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values } = parsing(options, args, (given) => parseArgs({ args: given, options }));
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const report = await examine(host.env);
  await print(host, values.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : describe(report));
  return canSegment(report) ? 0 : 1;
}

/** The cache, or why there is none. */
function modelCache(env: Environment): string {
  try {
    return cacheFolder(env);
  } catch (error) {
    return `none: ${(error as Error).message}`;
  }
}

function canSegment({ onnxruntime, tensorflowjs, sharp }: Report): boolean {
  const computes =
    (!("error" in onnxruntime) && onnxruntime.devices.length > 0) ||
    (!("error" in tensorflowjs) && tensorflowjs.engines.length > 0);
  return computes && !("error" in sharp);
}

async function examine(env: Environment): Promise<Report> {
  const found = await listCachedModels(env);
  const [onnxruntime, tensorflowjs] = await Promise.all([
    inProcess<{ readonly version: string; readonly devices: readonly string[] }>(onnxruntimeProbe),
    inProcess<{ readonly engines: readonly string[] }>(tensorflowjsProbe),
  ]);
  return {
    masklet: version,
    node: process.versions.node,
    platform: `${process.platform} ${release()} ${arch()}`,
    cpu: { model: cpus()[0]?.model.trim() ?? "unknown", threads: availableParallelism(), memoryBytes: totalmem() },
    onnxruntime,
    tensorflowjs,
    sharp: await part(async () => {
      const { default: sharp } = await import("sharp");
      const readable = ["jpeg", "png", "webp", "heif", "tiff", "gif"] as const;
      const formats = readable.filter((name) => sharp.format[name]?.input.buffer === true);
      return {
        version: sharp.versions.sharp ?? "unknown",
        libvips: sharp.versions.vips,
        formats: formats.map(shownFormat),
      };
    }),
    ffmpeg: await part(() => findProgram("ffmpeg", env)),
    ffprobe: await part(() => findProgram("ffprobe", env)),
    models: {
      cache: modelCache(env),
      found: found.map(({ name, checkpoint }) => ({ name, checkpoint })),
      default: await autoName(env).catch(({ message }: Error) => `none: ${message}`),
    },
  };
}

const onnxruntimeProbe = `
  const { availableDevices } = await import("@masklet/backend-ort/node");
  const devices = await availableDevices();
  const { env } = await import("onnxruntime-node");
  return { version: env.versions.node ?? env.versions.common, devices };
`;

const tensorflowjsProbe = `
  const { availableEngines } = await import("@masklet/backend-tfjs/node");
  return { engines: await availableEngines() };
`;

/** Of what libvips calls heif, AVIF is what sharp's build can read. */
function shownFormat(format: string): string {
  return format === "heif" ? "avif" : format;
}

async function part<T>(look: () => Promise<T>): Promise<Part<T>> {
  try {
    return await look();
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function findProgram(program: FfmpegProgram, env: Environment): Promise<Program> {
  const path = await findFfmpeg(program, env);
  if (path === undefined) throw new Error("not on PATH");
  return { path, version: await ffmpegVersion(path) };
}

function describe(report: Report): string {
  const { masklet, node, platform, cpu, onnxruntime, tensorflowjs, sharp, ffmpeg, ffprobe, models } = report;
  const missing = (error: string): string => `missing: ${error}`;
  const program = (found: Part<Program>): string =>
    "error" in found ? missing(found.error) : `${found.version}  ${found.path}`;
  const videos = !("error" in ffmpeg || "error" in ffprobe);
  const lines = renderTable([
    ["masklet", masklet],
    ["Node", node],
    ["platform", platform],
    ["CPU", `${cpu.model}, ${cpu.threads} threads, ${(cpu.memoryBytes / 2 ** 30).toFixed(1)} GiB of memory`],
    ["ONNX Runtime", "error" in onnxruntime ? missing(onnxruntime.error) : onnxruntime.version],
    ["devices", "error" in onnxruntime || onnxruntime.devices.length === 0 ? "none" : onnxruntime.devices.join(", ")],
    ["TensorFlow.js", "error" in tensorflowjs ? missing(tensorflowjs.error) : tensorflowjs.engines.join(", ")],
    ["sharp", "error" in sharp ? missing(sharp.error) : `${sharp.version}, libvips ${sharp.libvips}`],
    ["image formats", "error" in sharp ? "none" : sharp.formats.join(", ")],
    ["ffmpeg", program(ffmpeg)],
    ["ffprobe", program(ffprobe)],
    ...(videos ? [] : [["", `video files cannot be read or written; folders of frames can (${ffmpegInstallHint})`]]),
    ["model cache", models.cache],
    ...(models.found.length === 0
      ? [["models", "no published one is there; nano ships with masklet"]]
      : models.found.map(({ name, checkpoint }, i) => [i === 0 ? "models" : "", `${name}  ${checkpoint}`])),
    ["default model", models.default],
  ]);
  const verdict = canSegment(report)
    ? "Ready: masklet segment works here."
    : "masklet segment cannot work here: see what is missing above.";
  return `${lines}\n${verdict}\n`;
}
