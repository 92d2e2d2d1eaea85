/** The engine's server with nano, in this process. */
import { fileURLToPath } from "node:url";
import { createOrtBackend } from "@masklet/backend-ort/node";
import { decompressRle, encodeRle } from "@masklet/core";
import { fileSource, loadSam2, openVideo, readConfig } from "@masklet/core/node";
import { rleIou } from "@masklet/labels";
import { nanoModel } from "@masklet/model-nano";
import { expect, test } from "vitest";
import type { EngineMethod, EngineReply } from "./protocol.ts";
import { EngineServer } from "./serve.ts";

test("finds what is in a picture without a click, and stops when it is told to", async () => {
  const [width, height] = [320, 240];
  const data = new Uint8Array(width * height * 3).fill(255);
  const inside = new Uint8Array(width * height);
  for (let y = 60; y < 160; y++) {
    inside.fill(1, y * width + 100, y * width + 200);
    for (let x = 100; x < 200; x++) data.set([200, 30, 30], (y * width + x) * 3);
  }
  const picture = { width, height, channels: 3, data: data.buffer } as const;
  const replies = new Map<number, (reply: EngineReply) => void>();
  const server = new EngineServer(
    {
      load: async () => ({
        model: await loadSam2(await fileSource(fileURLToPath(nanoModel.checkpoint)), {
          backend: await createOrtBackend(),
          config: await readConfig(fileURLToPath(nanoModel.config)),
        }),
        facts: { model: "nano", runtime: "native", imageSize: 256 },
      }),
      models: async () => [],
      openVideo,
      download: async () => undefined,
    },
    (reply) => "id" in reply && replies.get(reply.id)?.(reply),
  );
  const ask = (id: number, method: EngineMethod, args: unknown): Promise<EngineReply> =>
    new Promise((resolve) => {
      replies.set(id, resolve);
      server.handle({ id, method, args } as never);
    });
  await ask(1, "start", { model: "nano", runtime: "native", cacheBytes: 2 ** 24 });
  const answer = (await ask(2, "everything", { picture })) as {
    readonly result: { readonly masks: readonly { readonly counts: string }[] };
  };
  const truth = encodeRle({ width, height, data: inside });
  const best = Math.max(
    ...answer.result.masks.map(({ counts }) => rleIou(decompressRle({ size: [height, width], counts }), truth)),
  );
  expect(best).toBeGreaterThan(0.9);
  const running = ask(3, "everything", { picture });
  await ask(4, "cancel", { id: 3 });
  expect(await running).toMatchObject({ id: 3, error: { code: "cancelled" } });
});
