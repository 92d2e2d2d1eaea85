import { expect, test } from "vitest";
import { outcomeOf, runStages, Skip } from "./stages.mjs";

const fails = (message: string) => () => {
  throw new Error(message);
};

test("a failure hides nothing but what needs it, and all are named at the end", () => {
  const ran: string[] = [];
  const lines: string[] = [];
  const stages = [
    { name: "install", run: () => void ran.push("install") },
    { name: "lint", needs: ["install"], run: fails("exit code 1") },
    { name: "build", needs: ["install"], run: fails("exit code 2") },
    { name: "size", needs: ["build"], run: () => void ran.push("size") },
    { name: "smoke", needs: ["install", "size"], run: () => void ran.push("smoke") },
    {
      name: "tests",
      needs: ["install"],
      run: () => ({ passed: 7, failed: ["a.test.ts: adds", "a.test.ts: takes"], skipped: ["needs ../shared"] }),
    },
    {
      name: "browser",
      run: () => {
        throw new Skip("no Chromium");
      },
    },
    { name: "after a skip", needs: ["browser"], run: () => void ran.push("after a skip") },
  ];
  expect(runStages(stages, (line) => void lines.push(line))).toEqual({ passed: 9, failed: 4, skipped: 4 });
  expect(ran).toEqual(["install", "after a skip"]);
  const text = lines.join("\n").replaceAll(/\d+\.\d s/g, "0.0 s");
  expect(text.slice(text.indexOf("\nSkipped:"))).toBe(`
Skipped:
  size: build failed
  smoke: build failed
  tests: needs ../shared
  browser: no Chromium

    0.0 s  install  ok
    0.0 s  lint  FAILED: exit code 1
    0.0 s  build  FAILED: exit code 2
    0.0 s  size  skipped: build failed
    0.0 s  smoke  skipped: build failed
    0.0 s  tests  FAILED: 2 of its tests
    0.0 s  browser  skipped: no Chromium
    0.0 s  after a skip  ok
    0.0 s  in all

Failed:
  lint: exit code 1
  build: exit code 2
  tests: a.test.ts: adds
  tests: a.test.ts: takes`);
});

test("a report of vitest: tests by file and name, and files that cannot be imported", () => {
  const report = {
    testResults: [
      {
        name: "/repo/a/one.test.ts",
        status: "failed",
        assertionResults: [
          { status: "passed", fullName: "adds" },
          { status: "failed", fullName: "numbers takes" },
          { status: "pending", fullName: "needs a GPU" },
        ],
      },
      { name: "/repo/two.test.ts", status: "failed", message: "Cannot find x\n  at y", assertionResults: [] },
    ],
  };
  expect(outcomeOf(report, "/repo")).toEqual({
    passed: 1,
    failed: ["a/one.test.ts: numbers takes", "two.test.ts: Cannot find x"],
    skipped: ["needs a GPU"],
  });
});
