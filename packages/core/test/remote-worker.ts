/** A worker thread that serves the reference backend on the port it is given, or on its own, and ends when told to. */
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { createReferenceBackend } from "../src/backend/reference.ts";
import { serveSam2 } from "../src/remote/host.ts";
import type { PortLike } from "../src/remote/port.ts";

const { port = parentPort } = workerData as { readonly port?: PortLike };
serveSam2(port as PortLike, { backend: createReferenceBackend() });

parentPort?.on("message", (told: unknown) => {
  if (told === "exit") process.exit(7);
  if (told === "throw") throw new RangeError("not caught");
  if (told === "close") parentPort?.close();
});
