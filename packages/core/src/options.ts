import { PromptError } from "./errors.ts";

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
