import { Tensor } from "onnxruntime-common";
import { expect, test } from "vitest";
import { createOrtBackend } from "./node.ts";
import { OrtTensor } from "./tensor.ts";

// Node 20 gives it back when it collects garbage.
test.skipIf(!("transfer" in ArrayBuffer.prototype)).each([true, false])(
  "memory that is its own (%s) is given back at once",
  async (owned) => {
    const data = Float32Array.of(1, 2, 3);
    const tensor = new OrtTensor(new Tensor("float32", data, [3]), undefined, owned).retain();
    expect(await tensor.read()).toEqual(data);
    tensor.release();
    expect(data).toHaveLength(owned ? 0 : 3);
  },
);

test("what is read, or fed, outlives the tensor", async () => {
  await using backend = asyncDisposable(await createOrtBackend({ threads: 1 }));
  const data = Float32Array.of(1, 2, 3);
  const tensor = backend.value.upload({ dtype: "float32", dims: [3], data });
  const reading = tensor.read();
  tensor.dispose();
  expect((await reading).data).toEqual(Float32Array.of(1, 2, 3));
  expect(data).toHaveLength(3);
});

function asyncDisposable<T extends { dispose(): Promise<void> }>(value: T) {
  return { value, [Symbol.asyncDispose]: () => value.dispose() };
}
