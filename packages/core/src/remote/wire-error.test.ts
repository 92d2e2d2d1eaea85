import { describe, expect, test } from "vitest";
import * as errors from "../errors.ts";
import { fromWire, toWire } from "./wire-error.ts";

/** What the other side gets. */
const across = (thrown: unknown): unknown => fromWire(structuredClone(toWire(thrown)));

describe("an error keeps", () => {
  test.each(Object.entries(errors))("its class: %s", (name, ErrorClass) => {
    const error = new (ErrorClass as typeof errors.MaskletError)("some-code", "where: what", {
      details: { expected: 3, got: [1, "x", null] },
    });
    const arrived = across(error);
    expect(arrived).toBeInstanceOf(ErrorClass);
    expect((arrived as Error).constructor).toBe(ErrorClass);
    expect(arrived).toEqual(error); // name, message, code, details, cause
    expect((arrived as Error).name).toBe(name);
    expect((arrived as Error).stack).toBe(error.stack);
  });

  test("the nearest class, and its own name, where the other side does not know it", () => {
    class OwnError extends errors.BackendError {
      override readonly name = "OwnError";
    }
    const arrived = across(new OwnError("run-failed", "mine"));
    expect((arrived as Error).constructor).toBe(errors.BackendError);
    expect(arrived).toMatchObject({ name: "OwnError", code: "run-failed", message: "mine" });
  });

  test("the language's classes, and the names of others", () => {
    for (const error of [new TypeError("t"), new RangeError("r"), new SyntaxError("s"), new Error("e")]) {
      const arrived = across(error);
      expect((arrived as Error).constructor).toBe(error.constructor);
      expect(arrived).toEqual(error);
    }
    const aborted = across(new DOMException("stop", "AbortError"));
    expect(aborted).toBeInstanceOf(Error);
    expect(aborted).toMatchObject({ name: "AbortError", message: "stop" });
  });

  test("its causes, each with its class", () => {
    const root = new RangeError("out of memory");
    const backend = new errors.BackendError("run-failed", "decoder: failed", { cause: root });
    const arrived = across(new errors.StateError("disposed", "gone", { cause: backend }));
    expect(arrived).toMatchObject({
      code: "disposed",
      cause: { code: "run-failed", cause: { message: root.message } },
    });
    const { cause } = arrived as { cause: Error };
    expect(cause).toBeInstanceOf(errors.BackendError);
    expect(cause.cause).toBeInstanceOf(RangeError);
    expect(across(new Error("odd", { cause: "a string" }))).toMatchObject({ cause: "a string" });
  });
});

test("causes and details without end are cut", () => {
  const circle: Error & { cause?: unknown } = new Error("again");
  circle.cause = circle;
  let depth = 0;
  for (let error = across(circle); error instanceof Error; error = error.cause) depth++;
  expect(depth).toBe(9);

  const details: Record<string, unknown> = {};
  details["self"] = details;
  expect(JSON.stringify(across(new errors.MaskError("polygon", "m", { details })))).toContain("[object Object]");
});

test("details that cannot be cloned arrive as their kind", () => {
  const details = {
    run: () => 1,
    when: new Date(0),
    data: Uint8Array.of(1, 2),
    error: new Error("inner"),
    at: Symbol.iterator,
  };
  const arrived = across(new errors.PromptError("bad-prompt", "m", { details }));
  expect((arrived as errors.PromptError).details).toEqual({
    run: "[object Function]",
    when: "[object Date]",
    data: Uint8Array.of(1, 2),
    error: "inner",
    at: "[object Symbol]",
  });
});

test.each([[undefined], [null], ["text"], [42], [{ plain: ["object"] }]])("a thrown %j arrives as it is", (value) => {
  expect(across(value)).toEqual(value);
});
