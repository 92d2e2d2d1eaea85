/** Looking at devices without hearing their drivers. */
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { missingRuntime } from "./runtimes.ts";

/**
 * What a script answers, as JSON, in a process of its own: drivers write to standard error as they like, and may crash.
 * `error` is what it failed with.
 */
export async function inProcess<T>(script: string): Promise<T | { readonly error: string }> {
  const look = `(async () => {${script}})().catch(({ message, code, details }) => ({ error: message, code, details }))`;
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...process.execArgv, "--input-type=module", "--eval", `console.log(JSON.stringify(await ${look}))`],
      // Where this package's dependencies are found.
      { cwd: fileURLToPath(new URL(".", import.meta.url)) },
    );
    const found = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as T | { readonly error: string };
    if (typeof found !== "object" || found === null || !("error" in found)) return found;
    return { error: missingRuntime(found)?.message ?? found.error };
  } catch (error) {
    const { signal } = error as { readonly signal?: string | null };
    return { error: typeof signal === "string" ? `its process ended with ${signal}` : String(error) };
  }
}
