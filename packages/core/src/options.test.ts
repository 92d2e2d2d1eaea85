import { expect, test } from "vitest";
import { boundaryF, evaluateLabels, evaluateMasklet } from "./eval/masklets.ts";
import { maskTree } from "./mask/arrange.ts";
import { fetchBytes, fetchToFile } from "./node/download/address.ts";
import { verifyModel } from "./node/download/manage.ts";
import { checkAwaited, checkKeys, type Keys } from "./options.ts";
import { type Sam2HostOptions, serveSam2 } from "./remote/host.ts";
import type { PortLike } from "./remote/port.ts";
import { type SavAnnotation, savFrames } from "./video/sav.ts";

interface Some {
  readonly multimaskOutput?: boolean;
  readonly labels?: readonly number[];
  readonly latest?: boolean;
}
const keys: Keys<Some> = { multimaskOutput: true, labels: true, latest: true };
const check = (given: unknown) => checkKeys("predict", given as Some, keys);

test("what is misspelt is an error that names what was meant", () => {
  for (const [option, suggestion] of [
    ["multiMaskOutput", "multimaskOutput"],
    ["multimask_output", "multimaskOutput"],
    ["pointLabels", "labels"],
    ["lable", "labels"],
  ] as const) {
    expect(() => check({ latest: true, [option]: 1 })).toThrow(
      expect.objectContaining({
        code: "unknown-option",
        message: `predict: there is no option ${option}; did you mean ${suggestion}?`,
        details: { option, known: Object.keys(keys), suggestion },
      }),
    );
  }
  expect(() => check({ colour: 1 })).toThrow(
    "predict: there is no option colour; there are multimaskOutput, labels, latest",
  );
});

test("what is known, and what is undefined, is none", () => {
  check({});
  check({ multimaskOutput: false, labels: [], other: undefined });
});

test("what is no object, and what was not awaited", () => {
  for (const given of [null, 5, "fast", [1]]) {
    expect(() => check(given)).toThrow(expect.objectContaining({ code: "bad-option" }));
  }
  expect(() => check(Promise.resolve({}))).toThrow("predict: options is a Promise: await it first");
  checkAwaited("load", "backend", { name: "ort" });
  expect(() => checkAwaited("load", "backend", Promise.resolve())).toThrow(
    expect.objectContaining({ code: "not-awaited", details: { what: "backend" } }),
  );
});

test("functions and methods refuse options that they do not have", async () => {
  const mask = { width: 1, height: 1, data: new Uint8Array(1) };
  const wrong = { misspelt: 1 } as object;
  const calls: readonly (() => unknown)[] = [
    () => maskTree([], wrong),
    () => boundaryF(mask, mask, wrong),
    () => evaluateMasklet([mask], [mask], wrong),
    () => evaluateLabels([mask], [mask], wrong),
    () => savFrames({} as SavAnnotation, wrong).next(),
    () => serveSam2({} as PortLike, wrong as Sam2HostOptions),
    () => fetchBytes("https://example.org", { maxBytes: 1, ...wrong }),
    () => fetchToFile("https://example.org", "never-made", { maxBytes: 1, ...wrong }),
    () => verifyModel("owner/model", { env: {}, ...wrong }),
  ];
  for (const call of calls) {
    await expect((async () => call())(), String(call)).rejects.toMatchObject({ code: "unknown-option" });
  }
});
