import { type AbortSignalLike, abortable } from "../abort.ts";
import { MaskletError, RemoteError, StateError } from "../errors.ts";
import type { Kind } from "./kind.ts";
import { type CommonMethods, type Crossing, commonMethods, type Handle, type Methods, type Table } from "./methods.ts";
import { listen, type PortLike } from "./port.ts";
import { badMessage, message, protocolVersion, type ToHost, versionMismatch, versionOf } from "./protocol.ts";
import { fromWire, toWire } from "./wire-error.ts";

interface CallOptions<E> {
  readonly signal?: AbortSignalLike | undefined;
  readonly onEvent?: ((event: E) => void) | undefined;
  /** Buffers of the parameters to hand over instead of copying them. */
  readonly transfer?: Iterable<ArrayBuffer> | undefined;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly event: (value: unknown) => void;
}

/** Ids are unique in this realm, so that a client may follow another on one port while that one's last answers come. */
let calls = 0;

/** Calls the methods of the host at the other end of a port, and gives each answer to who asked. */
export class Caller<M extends Methods<M>> {
  readonly #port: PortLike;
  readonly #methods: Readonly<Record<string, Crossing>>;
  readonly #unlisten: (() => void)[];
  readonly #pending = new Map<number, Pending>();
  #ended: MaskletError | undefined;
  #closing: Promise<void> | undefined;

  constructor(port: PortLike, methods: Table<M>) {
    this.#port = port;
    this.#methods = { ...commonMethods, ...methods };
    const unlisten = listen(port, {
      message: (data) => this.#receive(data),
      lost: (why, cause) => this.end(new RemoteError("lost", `the host is lost: ${why}`, { cause })),
    });
    this.#unlisten = [unlisten];
  }

  /** Listens on the port too, until there is nobody at its other end; `listening` returns what ends that. */
  beside(listening: (port: PortLike) => () => void): void {
    this.#unlisten.push(listening(this.#port));
  }

  /** Calls without an answer yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Settles as the host answers; an abort is passed on to it. Rejects with a `RemoteError` "lost" or "protocol-version"
   * when no answer can come any more, "not-sendable" for parameters that cannot be cloned, "bad-message" for an answer
   * or event that is not of the method's kind.
   */
  call<K extends keyof (M & CommonMethods) & string>(
    method: K,
    params: (M & CommonMethods)[K]["params"],
    { signal, onEvent, transfer }: CallOptions<(M & CommonMethods)[K]["event"]> = {},
  ): Promise<(M & CommonMethods)[K]["result"]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended;
      const { takes, answers, reports } = this.#methods[method] as Crossing;
      const buffers = new Set(transfer);
      const sent = takes.send(params, buffers);
      const id = ++calls;
      const abort = (reason: unknown): void => {
        try {
          this.#post({ type: "abort", id, reason: toWire(reason) });
        } catch {} // a port that takes nothing more has lost the call too
      };
      const onAbort = (): void => abort(signal?.reason);
      const settled = (): void => {
        this.#pending.delete(id);
        signal?.removeEventListener("abort", onAbort);
      };
      const pending: Pending = {
        resolve: (value) => {
          settled();
          if (answers.fits(value)) resolve(value as (M & CommonMethods)[K]["result"]);
          else reject(badMessage(`the host's answer to ${method} is none`, { method }));
        },
        reject: (error) => {
          settled();
          reject(error);
        },
        event: (value) => {
          try {
            if (reports?.fits(value) !== true) throw badMessage(`${method} does not report that`, { method });
            onEvent?.(value as (M & CommonMethods)[K]["event"]);
          } catch (error) {
            reject(error);
            abort(error);
          }
        },
      };
      this.#pending.set(id, pending);
      try {
        this.#post({ type: "call", id, method, params: sent }, [...buffers]);
      } catch (cause) {
        settled();
        throw new RemoteError("not-sendable", `${method}: what was given cannot be sent to the host`, { cause });
      }
      if (signal?.aborted) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * The items of an iterable that a method opens. The host computes an item when it is asked for; `ahead` of them are
   * asked for before they are needed. Leaving the loop ends the iterable on the host.
   */
  async *iterate<T>(
    open: () => Promise<Handle<AsyncIterable<T>>>,
    items: Kind<T>,
    { signal, ahead = 0 }: { readonly signal?: AbortSignalLike | undefined; readonly ahead?: number } = {},
  ): AsyncGenerator<T, void, void> {
    signal?.throwIfAborted();
    const handle = await abortable(open(), signal, (late) => this.abandon(late));
    const asked: Promise<IteratorResult<unknown, unknown>>[] = [];
    let done = false;
    try {
      for (;;) {
        while (asked.length <= ahead) {
          const next = this.call("next", { handle: handle.handle }, { signal });
          next.catch(() => {}); // seen when its turn comes, or not needed any more
          asked.push(next);
        }
        const result = await abortable(asked.shift() as Promise<IteratorResult<unknown, unknown>>, signal);
        if (result.done === true) {
          done = true;
          return;
        }
        if (!items.fits(result.value)) throw badMessage("the host's item is none", {});
        yield result.value as T;
      }
    } finally {
      // An abort does not wait for the host.
      if (signal?.aborted) this.abandon(handle);
      else if (!done) await this.release(handle);
    }
  }

  /** Has the host free what it keeps; a host that is gone has. */
  async release({ handle }: Handle<unknown>): Promise<void> {
    if (this.#ended !== undefined) return;
    await this.call("release", { handle }).catch((error: unknown) => {
      if (error !== this.#ended) ignoreLoss(error); // the end of the client frees everything
    });
  }

  /** As `release`, where nobody waits for it. */
  abandon(handle: Handle<unknown>): void {
    this.release(handle).catch(() => {});
  }

  /** Has the host free all that it keeps for this client; calls without an answer reject. The port stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ended !== undefined) return;
    const unanswered = [...this.#pending.values()];
    const closed = this.call("close", undefined);
    this.#ended = new StateError("disposed", "the client of the remote model is disposed");
    for (const pending of unanswered) pending.reject(this.#ended);
    try {
      await closed.catch(ignoreLoss);
    } finally {
      this.#leave();
    }
  }

  /** Rejects all calls, those to come too. */
  end(why: MaskletError): void {
    this.#ended ??= why;
    this.#leave();
    for (const pending of [...this.#pending.values()]) pending.reject(why);
  }

  #leave(): void {
    for (const unlisten of this.#unlisten.splice(0)) unlisten();
  }

  #receive(data: unknown): void {
    const version = versionOf(data);
    if (version === undefined) return;
    if (version !== protocolVersion) {
      this.end(versionMismatch("host", version));
      return;
    }
    const { type, id, value, error } = data as Readonly<Record<string, unknown>>;
    if (type === "lost") {
      const why = fromWire(error);
      this.end(why instanceof MaskletError ? why : badMessage("the host ended, and did not say why", {}));
      return;
    }
    // Calls and aborts come here too, the other side's own.
    const pending = this.#pending.get(id as number);
    if (type === "event") pending?.event(value);
    else if (type === "result") pending?.resolve(value);
    else if (type === "error") pending?.reject(fromWire(error));
    else if (type !== "call" && type !== "abort") {
      pending?.reject(badMessage(`the host sent a message of type ${String(type)}`, { type }));
    }
  }

  #post(content: ToHost, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message(content), transfer);
  }
}

function ignoreLoss(error: unknown): void {
  if (!(error instanceof RemoteError)) throw error;
}
