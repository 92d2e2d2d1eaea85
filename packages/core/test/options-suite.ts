/** That whatever a package exports and takes options refuses those that it does not have. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** An option that nothing has. */
export const wrong = { misspelt: 1 } as object;

/** Calls a function with `wrong` after what is `given`. */
export function called(callee: unknown, ...given: readonly unknown[]): unknown {
  return (callee as (...all: readonly unknown[]) => unknown)(...given, wrong);
}

/** As `called`, a method without an instance: options are looked at before all else. */
export function method<T extends object>(prototype: T, name: keyof T & string, ...given: readonly unknown[]): unknown {
  return called((prototype[name] as CallableFunction).bind(Object.create(prototype)), ...given);
}

/**
 * Calls each with `wrong`.
 *
 * @param reports the package's API reports, by which none is forgotten
 * @param calls by the name of the function, `new Class` or `Class.method`
 * @param others what is no function of the user's, and why
 */
export function testOptions(
  reports: readonly URL[],
  calls: Readonly<Record<string, () => unknown>>,
  others: Readonly<Record<string, string>> = {},
): void {
  test.each(Object.entries(calls))("%s refuses an option that it does not have", async (_, call) => {
    const outcome = (async () => {
      const made = call();
      // A generator does nothing until it is asked.
      return typeof (made as AsyncGenerator | undefined)?.next === "function" ? (made as AsyncGenerator).next() : made;
    })();
    await expect(outcome).rejects.toMatchObject({ code: "unknown-option", details: { option: "misspelt" } });
  });

  test("nothing that takes options is left out", () => {
    const found = reports.flatMap((report) => takingOptions(readFileSync(report, "utf8")));
    expect(found.filter((name) => !Object.hasOwn(calls, name) && !Object.hasOwn(others, name))).toEqual([]);
  });
}

/** Names of functions, constructors and methods in an API report whose last parameter is an object of options. */
function takingOptions(report: string): readonly string[] {
  const names: string[] = [];
  let type: string | undefined;
  for (const line of report.split("\n")) {
    const [, kind, opened] = /^export (?:abstract )?(class|interface) (\w+)/.exec(line) ?? [];
    if (kind !== undefined) type = kind === "class" && !opened?.endsWith("Error") ? opened : undefined;
    if (line === "}") type = undefined;
    // Parameters that are taken apart have no name, and are called `input`.
    if (!/\b(options|given)\??: |\binput\?: |: [\w<>"', &]*Options?\b/.test(line)) continue;
    const [, name] = /^export (?:function|const) (\w+)/.exec(line) ?? [];
    if (name !== undefined) names.push(name);
    const [, method] = /^ {4}(?:static )?(\w+)(?:<[^(]*>)?\(/.exec(line) ?? [];
    if (type !== undefined && method !== undefined) {
      names.push(method === "constructor" ? `new ${type}` : `${type}.${method}`);
    }
  }
  return names;
}
