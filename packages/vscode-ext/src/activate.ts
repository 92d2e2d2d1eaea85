/** What the extension does once VS Code wants it: the same on a desktop, on a server and in a browser. */
import type { ByteSource } from "@masklet/core";
import type { ExtensionContext, Uri } from "vscode";
import { registerDatasets } from "./dataset/activate.ts";
import type { EngineReply } from "./engine/protocol.ts";
import type { EngineProcess } from "./engine-client.ts";
import { registerImages } from "./image/register.ts";
import type { FileWriter } from "./storage.ts";
import { registerTools } from "./tools.ts";
import { registerVideos } from "./video/register.ts";

/** What differs between the places in which the extension runs. */
export interface Place {
  readonly kind: "node" | "web";
  readonly files: FileWriter;
  /** Opens a file for reading in parts, where the place can. */
  readonly open?: (uri: Uri) => Promise<ByteSource | undefined>;
  /** Starts the engine's process, where there are processes. */
  readonly spawn?: (
    reply: (reply: EngineReply) => void,
    lost: (why: string) => void,
    log: (line: string) => void,
  ) => EngineProcess;
}

export function activate(context: ExtensionContext, place: Place): void {
  const images = registerImages(context, place);
  registerTools(context, images.segment);
  registerDatasets(context, place, images);
  registerVideos(context, place, images);
}
