/** Options: how they are declared, parsed and explained. */
import { existsSync } from "node:fs";
import { nearest } from "@masklet/core/node";

/** A command line that says nothing sensible; the message names the option and what it got. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** One option: what `parseArgs` of `node:util` wants to know, and its line in the help. */
export interface Option {
  readonly type: "string" | "boolean";
  readonly short?: string;
  readonly multiple?: boolean;
  /** How the help calls its value. */
  readonly value?: string;
  readonly help: string;
}

/** One that is given once. */
export type OneOption<T extends Option["type"]> = Omit<Option, "multiple"> & { readonly type: T };

export type Options = Readonly<Record<string, Option>>;

/** A command's help, from the same table that it is parsed with. */
export interface Help {
  readonly usage: string;
  readonly about: string;
  /** Headings, and the options under them. */
  readonly sections: Readonly<Record<string, Options>>;
  readonly notes?: string;
  readonly examples: readonly string[];
}

/** The options that every command has. */
export const commonOptions: Readonly<Record<"help", Option & { readonly type: "boolean" }>> = {
  help: { type: "boolean", short: "h", help: "Show this help." },
};

/**
 * Calls `parseArgs` with the arguments, in which an option's value may be a negative number; what it refuses becomes a
 * `UsageError`.
 */
export function parsing<T>(options: Options, args: readonly string[], parse: (args: string[]) => T): T {
  try {
    return parse(joinNegative(options, args));
  } catch (error) {
    if (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_")) {
      throw new UsageError(explain(error.message, options, args));
    }
    throw error;
  }
}

/** `--point -5,10` as `--point=-5,10`: no option is a number. */
function joinNegative(options: Options, args: readonly string[]): string[] {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const takesValue = (arg: string): boolean =>
    Object.entries(options).some(
      ([name, { type, short }]) => type === "string" && (arg === `--${name}` || arg === `-${short}`),
    );
  const joined: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const next = args[i + 1] ?? "";
    if (i + 1 < end && takesValue(arg) && /^-[\d.]/.test(next)) {
      joined.push(arg.startsWith("--") ? `${arg}=${next}` : `${arg}${next}`);
      i++;
    } else {
      joined.push(arg);
    }
  }
  return joined;
}

/** What `parseArgs` says, without its advice, and with what was probably meant. */
function explain(message: string, options: Options, args: readonly string[]): string {
  const [said = message] = message.replaceAll("\n", " ").split(/ To specify a positional/);
  const problem = said.replace(/\.$/, "");
  const [, name] = /^Unknown option '(-[^']*)'/.exec(problem) ?? [];
  if (name === undefined) return problem;
  const file = args.find((arg) => arg.startsWith(name) && existsSync(arg));
  if (file !== undefined) return `${problem}; the file of that name is ./${file}`;
  const found = name.startsWith("--") ? nearest(name.slice(2), Object.keys(options)) : undefined;
  return found === undefined ? problem : `${problem}; did you mean --${found}?`;
}

/** `; did you mean segment?`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const found = nearest(word, candidates);
  return found === undefined ? "" : `; did you mean ${found}?`;
}

const plainNumber = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/** A finite number in plain decimal notation, or `undefined`. */
export function parseNumber(text: string): number | undefined {
  const number = plainNumber.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}

/** What an option's number may be. */
export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  readonly integer?: boolean;
}

/** An option's value as a number; `undefined` where the option was not given. Throws a `UsageError`. */
export function numberOption(
  option: string,
  text: string | undefined,
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, integer = false }: NumberRange,
): number | undefined {
  if (text === undefined) return undefined;
  const number = parseNumber(text);
  if (number !== undefined && number >= min && number <= max && (!integer || Number.isInteger(number))) return number;
  const kind = integer ? "a whole number" : "a number";
  const limits = Number.isFinite(max) ? ` from ${min} to ${max}` : Number.isFinite(min) ? ` from ${min}` : "";
  throw new UsageError(`${option} takes ${kind}${limits}, got "${text}"`);
}

/** An option's value as one of `choices`. Throws a `UsageError`. */
export function choiceOption<T extends string>(option: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((name) => name === text);
  if (choice !== undefined) return choice;
  throw new UsageError(`${option} takes ${listed(choices, "or")}, got "${text}"${didYouMean(text, choices)}`);
}

/** Lists with commas as some of `choices`, each once; `others` are other names of them. Throws a `UsageError`. */
export function choicesOption<T extends string>(
  option: string,
  lists: readonly string[],
  choices: readonly T[],
  others: Readonly<Record<string, T>> = {},
): T[] {
  const names = lists.flatMap((list) => list.split(","));
  const meant = (name: string): string => (Object.hasOwn(others, name) ? (others[name] as T) : name);
  return [...new Set(names.map((name) => choiceOption(option, meant(name), choices)))];
}

/** `1 image`, `2 images` */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** `a, b or c` */
export function listed(items: readonly string[], conjunction: string): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} ${conjunction} ${items.at(-1)}`;
}

const width = 98;
const indent = 30;

/** The help as text. */
export function renderHelp({ usage, about, sections, notes, examples }: Help): string {
  const parts = [`${about}\n\nUsage: ${usage}\n`];
  for (const [heading, options] of Object.entries(sections)) {
    parts.push(`${heading}:\n${Object.entries(options).map(renderOption).join("")}`);
  }
  if (notes !== undefined) parts.push(`${notes}\n`);
  parts.push(`Examples:\n${examples.map((example) => `  ${example}\n`).join("")}`);
  return parts.join("\n");
}

function renderOption([name, { short, value, help }]: readonly [string, Option]): string {
  const left = `  ${short === undefined ? "   " : `-${short},`} --${name}${value === undefined ? "" : ` ${value}`}`;
  const lines = wrap(help, width - indent).map((line) => " ".repeat(indent) + line);
  const first = lines[0] ?? "";
  // A long option has the line to itself.
  if (left.length + 1 >= indent) lines.unshift(left);
  else lines[0] = left + first.slice(left.length);
  return `${lines.join("\n")}\n`;
}

/** Lines of at most `length` characters, broken at spaces. */
function wrap(text: string, length: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > length) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
