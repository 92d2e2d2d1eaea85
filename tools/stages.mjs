// Runs stages one after the other and says what came of each. A failure hides nothing that can run without it.
import { relative } from "node:path";

/** Thrown by a stage that cannot run here; it counts as skipped and says why. */
export class Skip extends Error {}

/** @typedef {{ passed: number, failed: string[], skipped: string[] }} Outcome What a stage counted; failed and skipped by name. */
/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {readonly string[]} [needs] Stages, earlier in the list, without which this one cannot run.
 * @property {() => Outcome | void} run Throws when the stage fails as a whole. Without an outcome it counts as one that passed.
 */
/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * @param {readonly Stage[]} stages
 * @param {(line: string) => void} [print]
 * @returns {Counts}
 */
export function runStages(stages, print = console.log) {
  const began = performance.now();
  const total = { passed: 0, failed: 0, skipped: 0 };
  /** Why what needs a stage cannot run. @type {Map<string, string>} */
  const broken = new Map();
  /** @type {string[]} */
  const times = [];
  /** @type {string[]} */
  const skips = [];
  /** @type {string[]} */
  const failures = [];
  for (const { name, needs = [], run } of stages) {
    print(`\n== ${name}`);
    const since = performance.now();
    const missing = needs.map((need) => broken.get(need)).find((reason) => reason !== undefined);
    /** @type {Outcome} */
    let outcome = { passed: 0, failed: [], skipped: [] };
    let said = "ok";
    try {
      if (missing !== undefined) throw new Skip(missing);
      outcome = run() ?? { ...outcome, passed: 1 };
      if (outcome.failed.length > 0) said = `FAILED: ${outcome.failed.length} of its tests`;
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      const skipped = error instanceof Skip;
      said = `${skipped ? "skipped" : "FAILED"}: ${message}`;
      outcome[skipped ? "skipped" : "failed"].push(message);
    }
    if (missing !== undefined) broken.set(name, missing);
    else if (outcome.failed.length > 0) broken.set(name, `${name} failed`);
    total.passed += outcome.passed;
    total.failed += outcome.failed.length;
    total.skipped += outcome.skipped.length;
    failures.push(...outcome.failed.map((failure) => `${name}: ${failure}`));
    skips.push(...outcome.skipped.map((skip) => `${name}: ${skip}`));
    times.push(`${seconds(since).padStart(9)}  ${name}  ${said}`);
    print(`== ${name}: ${said} (${seconds(since)})`);
  }
  if (skips.length > 0) print(`\nSkipped:\n${skips.map((skip) => `  ${skip}`).join("\n")}`);
  print(`\n${times.join("\n")}\n${seconds(began).padStart(9)}  in all`);
  if (failures.length > 0) print(`\nFailed:\n${failures.map((failure) => `  ${failure}`).join("\n")}`);
  return total;
}

/** @param {number} since in milliseconds */
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/**
 * What vitest's JSON report counts.
 *
 * @param {{ testResults: { name: string, status: string, message?: string, assertionResults: { status: string, fullName: string }[] }[] }} report
 * @param {string} root that paths of files are told from
 * @returns {Outcome}
 */
export function outcomeOf({ testResults }, root) {
  /** @type {Outcome} */
  const outcome = { passed: 0, failed: [], skipped: [] };
  for (const { name, status, message, assertionResults } of testResults) {
    const file = relative(root, name).replaceAll("\\", "/");
    const before = outcome.failed.length;
    for (const { status, fullName } of assertionResults) {
      if (status === "passed") outcome.passed++;
      else if (status === "failed") outcome.failed.push(`${file}: ${fullName}`);
      else outcome.skipped.push(fullName);
    }
    // One that cannot be imported has no tests.
    if (status === "failed" && outcome.failed.length === before)
      outcome.failed.push(`${file}: ${message?.split("\n")[0] || "failed outside of its tests"}`);
  }
  return outcome;
}
