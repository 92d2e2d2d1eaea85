import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { floats, memoryWeights, TestAbort } from "../testing/fixtures.ts";
import { createReferenceBackend } from "./reference.ts";

function chain(length: number) {
  const g = new GraphBuilder("chain");
  let x = g.input("x", [1]);
  for (let i = 0; i < length; i++) x = g.relu(x);
  g.output("y", x);
  return g.build();
}

test("a run stops between operations", async () => {
  let turns = 0;
  const abort = new TestAbort();
  const backend = createReferenceBackend({
    pause: async () => {
      turns++;
      if (turns === 3) abort.abort();
    },
  });
  const executable = await backend.compile(chain(50), memoryWeights({}));
  await expect(executable.run({ x: floats([1], 1) }, { signal: abort.signal })).rejects.toBe(abort.reason);
  const { y } = await executable.run({ x: floats([1], 1) });
  expect(await y?.read()).toEqual(floats([1], 1));
  expect(turns).toBe(3 + 50); // the aborted run went no further
  expect(backend.liveTensors).toBe(1);
});

test("a kernel's error says where", async () => {
  const backend = createReferenceBackend();
  const g = new GraphBuilder("lookup");
  g.output(
    "y",
    g.scope("embed", () => g.gather(g.input("table", [2]), g.input("i", [1], "int32"))),
  );
  const executable = await backend.compile(g.build(), memoryWeights({}));
  const feeds = { table: floats([2], 1, 2), i: { dtype: "int32", dims: [1], data: Int32Array.of(5) } } as const;
  await expect(executable.run(feeds)).rejects.toMatchObject({
    name: "BackendError",
    code: "run-failed",
    message: "lookup: embed: gather failed: gather: index 5 is outside 0 to 1",
  });
});
