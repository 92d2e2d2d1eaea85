/** The hosted engine's models, for the client at the port that is handed over. */
import { createOrtBackend, openSubjectFinder, type SubjectModelKind } from "@masklet/backend-ort/web";
import { BackendError, DownloadError, parseConfig } from "@masklet/core";
import { openModelSource, serveWorker } from "@masklet/core/web";
import { configOf, keptAddress, keptCache } from "./protocol.ts";

const wasmPaths = new URL("./", import.meta.url).href;

addEventListener(
  "message",
  ({ data: { port } }: MessageEvent<{ readonly port: MessagePort }>) => {
    serveWorker({
      port,
      backend: () => createOrtBackend({ wasmPaths }),
      open: async (source, options) => {
        if (isKept(source)) {
          const config = await find(configOf(source.kept));
          return {
            source: await openModelSource(await kept(source.kept)),
            ...(config !== undefined && { config: async () => parseConfig(JSON.parse(await config.text())) }),
          };
        }
        if (typeof source !== "string") throw new BackendError("unsupported", "load: this engine opens models by name");
        const opened = await openModelSource(source, options);
        postMessage("loaded");
        return opened;
      },
      openFinder: async (source, { signal }) => {
        if (!isKept(source)) throw new BackendError("unsupported", "openSubjectFinder: this engine opens kept files");
        const backend = await createOrtBackend({ wasmPaths });
        try {
          const { kind } = source;
          const file = await kept(source.kept);
          const finder = await openSubjectFinder(file, { backend, signal, ...(kind !== undefined && { kind }) });
          return {
            kind: finder.kind,
            find: (image, options) => finder.find(image, options),
            dispose: () => backend.dispose(),
          };
        } catch (error) {
          await backend.dispose();
          throw error;
        }
      },
    });
  },
  { once: true },
);

postMessage("started");

interface Kept {
  readonly kept: string;
  readonly kind?: SubjectModelKind;
}

function isKept(source: unknown): source is Kept {
  return typeof source === "object" && source !== null && typeof (source as Partial<Kept>).kept === "string";
}

async function kept(name: string): Promise<Blob> {
  const found = await find(name);
  if (found === undefined)
    throw new DownloadError("cache-unavailable", `${name} is no longer in the browser's storage`);
  return found;
}

async function find(name: string): Promise<Blob | undefined> {
  return (await (await caches.open(keptCache)).match(keptAddress(name)))?.blob();
}
