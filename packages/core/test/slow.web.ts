/** What takes minutes on a software adapter, and runs with MASKLET_SLOW=1 alone. */
import { inject, type TestContext, test } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** Whether tests that take minutes run. */
    slow: boolean;
  }
}

export const slow: boolean = inject("slow");

/** `test` without the conformance case that takes half a minute for its 65,536 workgroups. */
export function leanTest(name: string, run: (context: TestContext) => Promise<void>): void {
  test.skipIf(name.includes("65,535 rows") && !slow)(name, run);
}
