import type { AbortSignalLike } from "./abort.ts";
import { MaskletError, PromptError } from "./errors.ts";
import { nearest } from "./nearest.ts";

/**
 * Throws a `PromptError` "bad-option", whose details are `{ option, expected, got }`, unless `holds`. `option` is one
 * option by its name; `where` opens the message, `expected` completes "must be".
 */
export function checkOption(
  where: string,
  option: Readonly<Record<string, unknown>>,
  expected: string,
  holds: boolean,
): void {
  if (holds) return;
  for (const [name, got] of Object.entries(option)) {
    throw new PromptError("bad-option", `${where}: ${name} must be ${expected}, got ${String(got)}`, {
      details: { option: name, expected, got },
    });
  }
}

/** `checkOption` for an integer from `least` to `most`. */
export function checkInteger(
  where: string,
  option: Readonly<Record<string, unknown>>,
  least: number,
  most: number = Number.POSITIVE_INFINITY,
): void {
  const range = most === Number.POSITIVE_INFINITY ? `from ${least}` : `from ${least} to ${most}`;
  const holds = Object.values(option).every(
    (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most,
  );
  checkOption(where, option, `an integer ${range}`, holds);
}

/** `checkOption` for one of some words, where it is given. */
export function checkChoice(
  where: string,
  option: Readonly<Record<string, unknown>>,
  choices: readonly string[],
): void {
  const holds = Object.values(option).every((value) => value === undefined || choices.some((one) => one === value));
  checkOption(where, option, `one of ${choices.join(", ")}`, holds);
}

/** Every key of an options object: the compiler asks for those that are missing, and for no others. */
export type Keys<T> = { readonly [K in keyof T]-?: true };

/** Of what can be aborted, and no more. */
export const signalKeys: Keys<{ readonly signal?: AbortSignalLike }> = { signal: true };

/**
 * Throws unless `given` is an object without other keys than `keys`: a misspelt option would be ignored. The compiler
 * sees to that where it can; JavaScript, spreads and JSON get past it. Keys whose value is `undefined` are none.
 *
 * A `MaskletError` "not-awaited" for a Promise, a `PromptError` "bad-option" for what is no object, "unknown-option" with
 * details `{ option, known, suggestion }`.
 */
export function checkKeys<T extends object>(where: string, given: T, keys: Keys<T>): void {
  checkAwaited(where, "options", given);
  const value: unknown = given;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    checkOption(where, { options: value }, "an object", false);
  }
  for (const [option, got] of Object.entries(given)) {
    if (got === undefined || Object.hasOwn(keys, option)) continue;
    const known = Object.keys(keys);
    const suggestion = nearest(option, known);
    const hint = suggestion === undefined ? `there are ${known.join(", ")}` : `did you mean ${suggestion}?`;
    throw new PromptError("unknown-option", `${where}: there is no option ${option}; ${hint}`, {
      details: { option, known, suggestion },
    });
  }
}

/** Throws a `MaskletError` "not-awaited" for a Promise in place of a value; `what` names the value. */
export function checkAwaited(where: string, what: string, value: unknown): void {
  if (typeof value !== "object" || value === null || !("then" in value) || typeof value.then !== "function") return;
  throw new MaskletError("not-awaited", `${where}: ${what} is a Promise: await it first`, { details: { what } });
}
