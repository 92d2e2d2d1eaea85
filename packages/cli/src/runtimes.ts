/** Backends, where what they need may not have been installed. */
import { existsSync } from "node:fs";
import { join, sep } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { BackendError } from "@masklet/core/node";

/**
 * An error of `createOrtBackend` in words for this command: npm leaves `onnxruntime-node` out without a word where its
 * install script fails, and what installs it depends on where this command is. `undefined` for any other error.
 */
export function missingRuntime(error: unknown, place: Place = here()): BackendError | undefined {
  // As a class or as it came from another process.
  const { code, details = {} } = error as Partial<BackendError>;
  const { package: name, problem, install } = details as Readonly<Record<string, string | undefined>>;
  if (code !== "runtime-missing" || problem === undefined) return undefined;
  const command = install?.replace("npm install", ["npm install", ...installOptions(place)].join(" "));
  const remedy = command === undefined ? "" : `; this installs it: ${command}`;
  return new BackendError("runtime-missing", `${name} ${problem}${remedy}`, { cause: error, details });
}

/** Where this command is installed, and where it runs. */
interface Place {
  readonly file: string;
  readonly cwd: string;
}

const here = (): Place => ({ file: fileURLToPath(import.meta.url), cwd: process.cwd() });

/** What makes `npm install` put a package where this command finds it. */
function installOptions({ file, cwd }: Place): readonly string[] {
  const [folder = "", ...rest] = file.split(`${sep}node_modules${sep}`);
  if (rest.length === 0 || folder === cwd) return [];
  // A project, which may also be one that npx made; what is installed globally has none around it.
  return existsSync(join(folder, "package.json")) ? ["--prefix", JSON.stringify(folder)] : ["-g"];
}
