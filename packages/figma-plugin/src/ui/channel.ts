/** The UI's end of the channel to the main thread. */
import {
  type Answer,
  type Method,
  type Notice,
  PluginError,
  protocolVersion,
  type Request,
  type Requests,
  type Selection,
} from "../protocol.ts";

export interface ChannelOptions {
  /** Figma's page, which passes messages on to the main thread. */
  readonly parent: Pick<Window, "postMessage">;
  /** Where Figma's messages arrive. */
  readonly self: Window;
  readonly onSelection: (selection: Selection) => void;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Asks the main thread; each call rejects with a `PluginError`. */
export class Channel {
  readonly #parent: Pick<Window, "postMessage">;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onSelection: (selection: Selection) => void;
  #last = 0;

  constructor({ parent, self, onSelection }: ChannelOptions) {
    this.#parent = parent;
    this.#onSelection = onSelection;
    self.addEventListener("message", ({ data, source }) => {
      // Others can post to this window too.
      if (source !== null && source !== parent) return;
      const message: unknown = (data as { pluginMessage?: unknown } | null)?.pluginMessage;
      if (isOurs(message)) this.#receive(message);
    });
  }

  call<M extends Method>(method: M, params: Requests[M]["params"]): Promise<Requests[M]["result"]> {
    const id = ++this.#last;
    const pluginMessage: Request = { masklet: protocolVersion, id, method, params };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as Requests[M]["result"]), reject });
      this.#parent.postMessage({ pluginMessage }, "*");
    });
  }

  #receive(message: Answer | Notice): void {
    if ("event" in message) {
      this.#onSelection(message.selection);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("error" in message) waiting?.reject(new PluginError(message.error.code, message.error.message));
    else waiting?.resolve(message.result);
  }
}

function isOurs(message: unknown): message is Answer | Notice {
  return typeof message === "object" && message !== null && (message as Partial<Answer>).masklet === protocolVersion;
}
