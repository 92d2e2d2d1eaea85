import { BackendError } from "../errors.ts";
import type { Backend } from "./backend.ts";

/**
 * Version of the contract between core and backends: what `Backend` says, and the operations that a graph may hold. It
 * counts up with every change that a backend written before would not survive.
 */
export const backendContract = 1;

/** Throws a `BackendError` "contract-mismatch" where the backend keeps to another version, and says which to update. */
export function requireContract(backend: Backend): void {
  // One that was built with another core, or is plain JavaScript, may say anything or nothing.
  const contract: unknown = backend.contract;
  if (contract === backendContract) return;
  const newer = typeof contract === "number" && contract > backendContract;
  const said = contract === undefined ? "no version" : `version ${contract}`;
  throw new BackendError(
    "contract-mismatch",
    `load: the ${backend.name} backend keeps to ${said} of the contract of backends, @masklet/core to ${backendContract}: update ${newer ? "@masklet/core" : "the backend"}`,
    { details: { backend: backend.name, contract, expected: backendContract } },
  );
}
