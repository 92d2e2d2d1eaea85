import { ImagePredictor, type Mask, type RawImage } from "@masklet/core";
import { loadSam2, readImage } from "@masklet/core/node";
import { imageLimits, testNanoImage } from "@masklet/core/test/goldens/nano-image";
import { shared, sharedPath } from "@masklet/core/test/goldens/shared.node";
import { expect, test } from "vitest";
import { createOrtBackend } from "../src/node.ts";

await testNanoImage(createOrtBackend, { shared, limits: { ...imageLimits, maskIou: 0.999, pixels: 4 } });

test.skipIf(shared === undefined).each(["sam2.1_hiera_nano.safetensors", "transformers"])(
  "%s holds the model that the .pt holds (needs ../shared)",
  async (file) => {
    const backend = await createOrtBackend();
    const image: RawImage = await readImage(sharedPath("media/scene.png"));
    const predict = async (name: string): Promise<readonly Mask[]> => {
      const model = await loadSam2(sharedPath(`nano/${name}`), { backend });
      try {
        await using predictor = new ImagePredictor(model);
        await predictor.setImage(image);
        return (await predictor.predict({ points: [[581, 532]] })).masks;
      } finally {
        await model.dispose();
      }
    };
    expect(await predict(file)).toEqual(await predict("sam2.1_hiera_nano.pt"));
    await backend.dispose();
  },
);
