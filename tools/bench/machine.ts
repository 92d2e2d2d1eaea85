/** What the numbers were measured on: they mean little without the instructions that the kernels found. */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import process from "node:process";

export interface Machine {
  /** The CPU's name; "unknown" where the system does not tell. */
  readonly cpu: string;
  /** The architecture, and on Linux which of the instructions that matrix kernels are chosen by there are, in its names. */
  readonly instructions: readonly string[];
  readonly threads: number;
}

const telling = /^(avx\w*|fma|f16c|amx_\w+|asimd\w*|sve\w*|i8mm|bf16|sme2?)$/;

export function machine(): Machine {
  const cpu = cpus()[0]?.model.trim() ?? "";
  return {
    cpu: cpu === "" ? "unknown" : cpu,
    instructions: [process.arch, ...new Set(flags().filter((flag) => telling.test(flag)))],
    threads: availableParallelism(),
  };
}

function flags(): readonly string[] {
  if (process.platform !== "linux") return [];
  const found = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
  return found?.[1]?.trim().split(/\s+/) ?? [];
}
