import { describe, test } from "vitest";
import { testBackend } from "../testing/conformance.ts";
import { createReferenceBackend, type ReferenceBackend } from "./reference.ts";

describe("conformance", () => {
  testBackend(() => createReferenceBackend(), {
    test,
    held: (backend) => (backend as ReferenceBackend).liveTensors,
  });
});
