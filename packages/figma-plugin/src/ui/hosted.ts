/** The hosted engine, from the window's side: a frame that is there or is not. */
import { RemoteClient } from "@masklet/core/remote";
import {
  type EngineRequest,
  type EngineState,
  engineVersion,
  readToPlugin,
  type ToEngine,
  type ToPlugin,
} from "../engine/protocol.ts";

export interface HostedOptions {
  /** Of the engine's page. */
  readonly url: string;
  /** How long it may take to answer. */
  readonly timeout?: number;
}

type Send = (message: ToEngine, transfer: Transferable[]) => void;
type Waiting = { readonly resolve: () => void; readonly reject: (error: Error) => void };

/** A connection to the engine's page. */
export class HostedEngine {
  /** Loads models there. */
  readonly client: RemoteClient;
  readonly url: string;
  #state: EngineState;
  onState: () => void = () => undefined;
  readonly #send: Send;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  private constructor(url: string, state: EngineState, send: Send) {
    this.url = url;
    this.#state = state;
    this.#send = send;
    const { port1, port2 } = new MessageChannel();
    this.client = new RemoteClient(port1);
    void this.#ask({ method: "connect" }, [port2]).catch(() => undefined);
  }

  /** Resolves to `undefined` where nobody answers in time: no network, or none allowed. */
  static connect({ url, timeout = 3000 }: HostedOptions): Promise<HostedEngine | undefined> {
    const { origin } = new URL(url);
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.title = "Engine";
    return new Promise((resolve) => {
      let engine: HostedEngine | undefined;
      const receive = ({ data, source, origin: from }: MessageEvent<unknown>): void => {
        if (source !== frame.contentWindow || from !== origin) return;
        const message = readToPlugin(data);
        if (message === undefined) return;
        if (engine !== undefined) {
          engine.#receive(message);
        } else if ("state" in message) {
          clearTimeout(late);
          engine = new HostedEngine(url, message.state, (sent, transfer) =>
            frame.contentWindow?.postMessage(sent, origin, transfer),
          );
          resolve(engine);
        }
      };
      const late = setTimeout(() => {
        removeEventListener("message", receive);
        frame.remove();
        resolve(undefined);
      }, timeout);
      addEventListener("message", receive);
      frame.src = url;
      document.body.append(frame);
    });
  }

  get state(): EngineState {
    return this.#state;
  }

  /** Keeps a file in the engine's storage. Rejects with an `Error` where there is no room. */
  keep(name: string, file: Blob): Promise<void> {
    return this.#ask({ method: "keep", name, file });
  }

  /** Removes a kept file or a fetched model. */
  forget(name: string): Promise<void> {
    return this.#ask({ method: "forget", name });
  }

  #ask(request: EngineRequest, transfer: Transferable[] = []): Promise<void> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ maskletEngine: engineVersion, id, ...request }, transfer);
    });
  }

  #receive(message: ToPlugin): void {
    if ("state" in message) {
      this.#state = message.state;
      this.onState();
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) waiting?.resolve();
    else waiting?.reject(new Error(message.error));
  }
}
