import { MaskletError } from "./errors.ts";

/**
 * Frees one part after another, also after one that fails, and rejects in the end with a `MaskletError` "dispose-failed"
 * whose cause is the failure, or an `AggregateError` of several. `what` opens the message.
 */
export async function freeAll(what: string, parts: Iterable<() => Promise<void> | void | undefined>): Promise<void> {
  const errors: unknown[] = [];
  for (const free of parts) {
    try {
      await free();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 0) return;
  const problems = errors.map((error) => (error instanceof Error ? error.message : String(error))).join("; ");
  const cause = errors.length === 1 ? errors[0] : new AggregateError(errors, problems);
  throw new MaskletError("dispose-failed", `${what}: not all of it could be freed: ${problems}`, { cause });
}
