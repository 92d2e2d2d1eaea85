/** The model, in a worker made of what the page holds: nothing is fetched. */
import { parseConfig } from "@masklet/core";
import { createWorkerPredictor } from "@masklet/core/remote";

type Predictor = Awaited<ReturnType<typeof createWorkerPredictor>>;

/** The model that answers clicks. */
export interface Engine {
  /** The one in use, started when it is first asked for; the built-in one if no other was chosen. */
  readonly predictor: () => Promise<Predictor>;
  /** Takes another model in place of the one before: an official checkpoint of SAM 2 or 2.1. */
  readonly use: (checkpoint: Uint8Array) => Promise<void>;
  /** Whether it is the built-in model, which knows drawings better than photographs. */
  readonly isBuiltIn: boolean;
}

/** Text of the page, unpacked: the build puts gzip as base64 into inert scripts. Once, because it is several megabytes. */
async function unpack(id: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = document.getElementById(id)?.textContent ?? "";
  const letters = atob(packed);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const text = async (id: string): Promise<string> => new TextDecoder().decode(await unpack(id));

export function createEngine(): Engine {
  let worker: Promise<Worker> | undefined;
  let predictor: Promise<Predictor> | undefined;
  let isBuiltIn = true;
  // A classic worker: pages of null origin start no other from a blob.
  const start = async (): Promise<Worker> => {
    const url = URL.createObjectURL(new Blob([await unpack("worker")], { type: "text/javascript" }));
    return new Worker(url);
  };
  const load = async (checkpoint: Uint8Array<ArrayBuffer>, config?: string): Promise<Predictor> => {
    worker ??= start();
    const wasm = await unpack("wasm");
    return createWorkerPredictor(await worker, checkpoint, {
      ...(config !== undefined && { config: parseConfig(JSON.parse(config)) }),
      backend: { wasm },
      transfer: [checkpoint.buffer, wasm.buffer],
    });
  };
  const builtIn = async (): Promise<Predictor> => load(await unpack("checkpoint"), await text("config"));
  return {
    get isBuiltIn() {
      return isBuiltIn;
    },
    predictor: () => {
      predictor ??= builtIn().catch((error: unknown) => {
        predictor = undefined; // the next call tries again
        throw error;
      });
      return predictor;
    },
    use: async (checkpoint) => {
      const before = await predictor?.catch(() => undefined);
      const next = await loadBeside(checkpoint);
      await before?.dispose();
      predictor = Promise.resolve(next);
      isBuiltIn = false;
    },
  };

  /** A model in a worker of its own, so that one that does not load leaves the one there is. */
  async function loadBeside(checkpoint: Uint8Array): Promise<Predictor> {
    const old = worker;
    worker = start();
    try {
      const next = await load(Uint8Array.from(checkpoint));
      (await old)?.terminate();
      return next;
    } catch (error) {
      (await worker).terminate();
      worker = old;
      throw error;
    }
  }
}
