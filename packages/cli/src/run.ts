import { describeError, type ExitCode, type Host, isBrokenPipe, print } from "./host.ts";
import { didYouMean, listed, UsageError } from "./usage.ts";
import { version } from "./version.ts";

type Command = (args: readonly string[], host: Host) => Promise<ExitCode>;

/** Each loads what it needs alone. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  segment: async () => (await import("./commands/segment.ts")).segment,
  cutout: async () => (await import("./commands/cutout.ts")).cutout,
  track: async () => (await import("./commands/track.ts")).track,
  annotate: async () => (await import("./commands/annotate.ts")).annotate,
  inspect: async () => (await import("./commands/inspect.ts")).inspect,
  models: async () => (await import("./commands/models.ts")).models,
  convert: async () => (await import("./commands/convert.ts")).convert,
  labels: async () => (await import("./commands/labels.ts")).labels,
  eval: async () => (await import("./commands/eval.ts")).evaluate,
  mcp: async () => (await import("./commands/mcp.ts")).mcp,
  doctor: async () => (await import("./commands/doctor.ts")).doctor,
};

const help = `masklet ${version}: segment images and videos with SAM 2

Usage: masklet COMMAND [options]

Commands:
  segment IMAGE...   Find objects by points, boxes or masks, with a detector, or all; write masks, cutouts, overlays.
  cutout IMAGE...    Cut out what pictures are about, without a prompt.
  track VIDEO        Follow objects through a video; write masks, JSON, overlays, effects.
  annotate SOURCE    Make masks of boxes that one has or a detector finds, or of everything.
  inspect MODEL      Show a model's parameters, arithmetic and memory, or profile it.
  models list | use NAME | (pull | path | verify | remove) NAME...
                     Published models on this machine: choose one, fetch, check and delete them.
  convert FROM TO --to FORMAT
                     Convert labels: COCO, YOLO, CVAT and others; say first what is lost.
  labels (check | stats) LABELS...
                     Name what is wrong with labels; count what is in them.
  eval PREDICTIONS LABELS
                     Compare masks with the true ones.
  mcp                Serve tools to a language model.
  doctor             Show what this machine can run.

Options:
  -h, --help         Show this help, or a command's: masklet help segment.
      --version      Show the version.

Examples:
  masklet segment photo.jpg --point 581,532
  masklet segment photo.jpg --box 45,35,224,209 --format cutout,json -o out
  masklet cutout "products/*.jpg" --crop -o out
  masklet track clip.mp4 --point 581,532 --format overlay -o out
  masklet inspect sam2.1-hiera-tiny

Exit codes:
  0 done, 1 failed, 2 wrong usage, 3 some images or frames failed,
  4 done but unsure (cutout), 130 interrupted
`;

/**
 * Runs a command line, without the program's name. -> the exit code: 0 done, 1 failed, 2 wrong usage, 3 some inputs
 * failed, 130 interrupted. Errors are told on standard error; it never rejects.
 */
export async function run(argv: readonly string[], host: Host): Promise<ExitCode> {
  const [name = "", ...args] = argv;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const called = command === undefined ? "masklet" : `masklet ${name}`;
  try {
    if (command !== undefined) return await (await command())(args, host);
    if (name === "--help" || name === "-h" || (name === "help" && args.length === 0)) return await shown(host, help);
    if (name === "help") return await helpWith(args, host);
    if (name === "--version") return await shown(host, `${version}\n`);
    const names = listed(Object.keys(commands), "or");
    throw new UsageError(
      name === ""
        ? `needs a command: ${names}`
        : `takes ${names} as its command, got "${name}"${didYouMean(name, Object.keys(commands))}`,
    );
  } catch (error) {
    if (host.signal.aborted) {
      if (host.stderr.isTTY === true) host.stderr.write("interrupted\n");
      return 130;
    }
    if (error instanceof UsageError) {
      host.stderr.write(`${called}: ${error.message}\nTry "${called} --help".\n`);
      return 2;
    }
    if (isBrokenPipe(error)) return 1;
    host.stderr.write(`${called}: ${describeError(error)}\n`);
    return 1;
  }
}

/** `masklet help segment`, which is `masklet segment --help`. */
async function helpWith([name = "", ...more]: readonly string[], host: Host): Promise<ExitCode> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined && more.length === 0) return (await command())(["--help"], host);
  const names = Object.keys(commands);
  throw new UsageError(
    `help takes one of ${listed(names, "and")}, got ${[name, ...more].join(" ")}${didYouMean(name, names)}`,
  );
}

async function shown(host: Host, text: string): Promise<0> {
  await print(host, text);
  return 0;
}
