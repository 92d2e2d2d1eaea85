import { CheckpointError } from "../errors.ts";
import { type Fields, fieldProblem, fieldsOf, isObject } from "../fields.ts";

export type { Fields };

/** Keeps a config from asking for tensors that no machine holds. */
const limits = { largest: 65536, longestList: 1024 };

/** The fields of a config; what is not as expected throws a `CheckpointError` "config-invalid". */
export function configFields(json: unknown): Fields {
  if (!isObject(json)) throw invalid("", "a JSON object", json);
  return fieldsOf(json, "", { fail: invalid, ...limits });
}

export function four(list: readonly number[]): readonly [number, number, number, number] {
  const [a = 0, b = 0, c = 0, d = 0] = list;
  return [a, b, c, d];
}

export function two(list: readonly number[]): readonly [number, number] {
  const [a = 0, b = 0] = list;
  return [a, b];
}

function invalid(field: string, expected: string, actual: unknown): CheckpointError {
  const problem = fieldProblem(field, expected, actual);
  return new CheckpointError("config-invalid", `config: ${problem}`, {
    details: { field, expected, actual },
  });
}

/** For the kinds that transformers has no model of: none of its `model_type`s leads here. */
export function notInTransformers(root: Fields): never {
  throw invalid("model_type", "that of a model that transformers has", root.value("model_type"));
}

/** What must hold between fields, whatever they were called. */
export type Rule = readonly [field: string, holds: boolean, expected: string, actual: unknown];

/** Throws a `CheckpointError` "config-invalid" for the first that does not hold. */
export function checkRules(rules: readonly Rule[]): void {
  for (const [field, holds, expected, actual] of rules) if (!holds) throw invalid(field, expected, actual);
}
