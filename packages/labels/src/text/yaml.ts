import { parseDocument } from "yaml";
import { LabelError } from "../errors.ts";
import type { JsonValue } from "../model.ts";

/** YAML as plain values. Tags beyond YAML's core are refused, and aliases that would grow without end. */
export function parseYaml(text: string, file: string): JsonValue {
  const fail = (problem: string, cause?: unknown): LabelError =>
    new LabelError("yaml-malformed", `${file}: ${problem}`, { cause, details: { file } });
  const document = parseDocument(text, { schema: "core", strict: true, uniqueKeys: true });
  const [problem = document.warnings[0]] = document.errors;
  if (problem !== undefined) throw fail(problem.message.split("\n")[0] as string, problem);
  try {
    return document.toJS({ maxAliasCount: 100 }) as JsonValue;
  } catch (cause) {
    throw fail((cause as Error).message, cause);
  }
}
