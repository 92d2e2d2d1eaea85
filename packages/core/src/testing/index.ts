/** For those who write a backend, or test with one: the conformance suite and what it is made of. */
export { createReferenceBackend, type ReferenceBackend, type ReferenceBackendOptions } from "../backend/reference.ts";
export {
  assertClose,
  type Comparison,
  ConformanceError,
  compare,
  defaultTolerance,
  type Tolerance,
} from "./compare.ts";
export {
  type ConformanceCase,
  type ConformanceOptions,
  conformanceCases,
  type TestBackendOptions,
  type TestContext,
  testBackend,
} from "./conformance.ts";
export type { Instruments, Requires } from "./contract.ts";
export { evaluateGraph } from "./evaluate-graph.ts";
export { bools, floats, ints, memoryWeights, RandomTensors, TestAbort } from "./fixtures.ts";
export { hashedTensor, hashedWeights } from "./hashed-weights.ts";
export { toyDecoderGraph, toyEncoderGraph, toyWeights } from "./toy-model.ts";
