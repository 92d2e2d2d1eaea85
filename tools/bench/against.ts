/** The same work in PyTorch, with the authors' own modules, where there is a Python that has them. */
import { type ExecFileException, execFile, spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Against, Row } from "./report.ts";

const hiera: Readonly<Record<string, string>> = { tiny: "t", small: "s", "base-plus": "b+", large: "l" };

/** The authors' config of a model; whose it is tells its folder. */
function configOf(model: string): string | undefined {
  const size = hiera[model];
  if (size !== undefined) return `configs/sam2.1/sam2.1_hiera_${size}.yaml`;
  if (model === "edgetam") return "configs/edgetam.yaml";
  if (!model.startsWith("efficienttam-")) return undefined;
  return `configs/efficienttam/${model.replaceAll("-", "_").replace(/_512$/, "_512x512")}.yaml`;
}

export interface AgainstOptions {
  /** As in `pnpm bench --model`. */
  readonly model: string;
  readonly threads: number;
  /** The interpreter. Default `python3`, or `python` where there is no such thing. */
  readonly python?: string;
  /** Instead of all rows: Meta's automatic masks of an image, with so many points on a side and these weights. */
  readonly everything?: { readonly points: number; readonly checkpoint: string; readonly image: string };
  /** Ends Python. */
  readonly signal?: AbortSignal;
}

/** Runs against.py. Whatever keeps it from measuring is a sentence, not an error: the bench has its own rows to print. */
export async function againstPython({ model, threads, python, everything, signal }: AgainstOptions): Promise<Against> {
  const config = configOf(model);
  if (config === undefined) return { skipped: `no package of its authors has a config for ${model}` };
  const candidates = python === undefined ? ["python3", "python"] : [python];
  const path = candidates.find((candidate) => spawnSync(candidate, ["--version"]).status === 0);
  if (path === undefined) return { skipped: `${candidates.join(" and ")} did not start; --python names a Python` };
  const script = fileURLToPath(new URL("against.py", import.meta.url));
  const args = [script, config, "--threads", String(threads)];
  if (everything !== undefined) {
    const { points, checkpoint, image } = everything;
    args.push("--everything", String(points), "--checkpoint", checkpoint, "--image", image);
  }
  try {
    const running = promisify(execFile)(path, args, { killSignal: "SIGKILL", ...(signal && { signal }) });
    running.child.stderr?.pipe(process.stderr);
    return JSON.parse(lastLine((await running).stdout)) as Against;
  } catch (error) {
    if (signal?.aborted) return { skipped: "interrupted" };
    const { stderr = "", signal: by, code, message } = error as ExecFileException;
    const how = by ?? (typeof code === "number" ? `exit code ${code}` : message);
    return { skipped: [`${path} failed: ${how}`, lastLine(stderr)].filter((part) => part !== "").join(", ") };
  }
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

/** What to print beside a row: PyTorch's time, and ours as times as fast. */
export function besideRow(
  { name, milliseconds }: Pick<Row, "name" | "milliseconds">,
  against: Against | undefined,
): readonly string[] {
  if (against === undefined || "skipped" in against) return [];
  const theirs = against.milliseconds[name];
  if (theirs === undefined) return ["", ""];
  return [`PyTorch ${theirs.toFixed(1)} ms`, `${(theirs / milliseconds).toFixed(2)} times as fast`];
}
