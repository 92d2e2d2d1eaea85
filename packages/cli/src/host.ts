import type { Readable, Writable } from "node:stream";
import { type Environment, type ImageWarning, MaskletError } from "@masklet/core/node";
import { UsageError } from "./usage.ts";

/** What a command sees of the process it runs in. */
export interface Host {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Environment;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** 4: done, but unsure of some results. 130 is a shell's code for a command that Ctrl-C ended. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 130;

/** Writes all of `data` to standard output. Rejects with a `MaskletError` "write-failed". */
export function print({ stdout }: Host, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays after a failure, as the stream also emits it.
    const fail = (cause: Error): void => {
      const details = { code: "code" in cause ? cause.code : undefined };
      reject(new MaskletError("write-failed", `cannot write to standard output: ${cause.message}`, { cause, details }));
    };
    stdout.once("error", fail);
    stdout.write(data, (error) => {
      if (error) return fail(error);
      stdout.off("error", fail);
      resolve();
    });
  });
}

/** Says each warning once, and of pictures that are alike the first one's: what holds of its samples mostly holds of all. */
export function onceEach(say: (problem: string) => void): (warning: ImageWarning) => void {
  const said = new Set<string>();
  return ({ code, message }) => {
    const what = code === "range-scaled" ? code : message;
    if (said.has(what)) return;
    said.add(what);
    say(message);
  };
}

/** An error's message and code; of one that nobody foresaw also where it happened. */
export function describeError(error: unknown): string {
  if (error instanceof MaskletError) return `${error.message.replace(calledFunction, "")} [${error.code}]`;
  if (error instanceof UsageError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The function of the library that found the fault, which nobody called who types a command. */
const calledFunction = /^(?:[a-z]+(?:[A-Z][a-z]*)+|predict|refine|overlay|cutout|write): /;

/** Whether the reader of our output has had enough, as in `| head -1`. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof MaskletError && error.details["code"] === "EPIPE";
}
