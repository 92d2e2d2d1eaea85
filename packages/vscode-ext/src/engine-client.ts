/**
 * The host's side of the engine: starts its process with the first request, again after a crash, and ends it when nobody has
 * asked for a while. A process that is lost costs the requests that it had; the next one starts another.
 */
import type { Disposable } from "vscode";
import type { Packed } from "./engine/channel.ts";
import type {
  EngineFacts,
  EngineMethod,
  EngineMethods,
  EngineReply,
  EngineRequest,
  EngineSettings,
} from "./engine/protocol.ts";
import { ExtensionError } from "./errors.ts";

/** A process of the engine. */
export interface EngineProcess {
  send(request: EngineRequest): void;
  kill(): void;
}

export interface EngineClientOptions {
  /** Starts a process; `lost` is called once, when it has ended for whatever reason. */
  readonly spawn: (reply: (reply: EngineReply) => void, lost: (why: string) => void) => EngineProcess;
  readonly settings: () => EngineSettings;
  /** Milliseconds without a request after which the process ends. */
  readonly idle: () => number;
  readonly log: (message: string) => void;
  /** Crashes in a row after which it is not started again by itself. */
  readonly most?: number;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: ExtensionError) => void;
  readonly onProgress: ((share: number, text: string) => void) | undefined;
}

/** A port to the engine's model. */
export interface EnginePort {
  post(message: Packed): void;
  /** Frees what the engine holds for it. */
  close(): void;
}

/** What a port's owner hears. */
export interface PortEvents {
  readonly message: (message: Packed) => void;
  /** The process has ended; nothing comes after it. Not called for a port that was closed here. */
  readonly lost: (error: ExtensionError) => void;
}

interface Running {
  readonly process: EngineProcess;
  readonly waiting: Map<number, Waiting>;
  readonly ports: Map<number, PortEvents>;
  facts: Promise<EngineFacts>;
}

export class EngineClient implements Disposable {
  readonly #options: EngineClientOptions;
  #running: Running | undefined;
  #nextId = 1;
  #crashes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #facts: EngineFacts | undefined;

  constructor(options: EngineClientOptions) {
    this.#options = options;
  }

  /** What was said of the engine when it started last. */
  get facts(): EngineFacts | undefined {
    return this.#facts;
  }

  /** Whether there is a process now. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Starts the engine where it is not running, and says what it computes with. Rejects as `request`. */
  start(): Promise<EngineFacts> {
    return this.#run().facts;
  }

  /**
   * Asks the engine. Rejects with an `ExtensionError`: "engine-lost" where its process ended before it answered, or has
   * done so too often; or with the code that the engine gives, "cancelled" where `signal` has ended what can be ended.
   */
  async request<M extends EngineMethod>(
    method: M,
    args: EngineMethods[M]["args"],
    onProgress?: (share: number, text: string) => void,
    signal?: AbortSignal,
  ): Promise<EngineMethods[M]["result"]> {
    const running = this.#run();
    const needsModel = method === "encode" || method === "predict" || method === "everything" || method === "detect";
    if (needsModel) await running.facts;
    const result = await this.#ask(running, method, args, onProgress, signal);
    if (needsModel) this.#crashes = 0;
    return result;
  }

  /**
   * Opens a port over which core's remote client reaches the engine's model, and starts the engine where it is not running. A
   * port that is open keeps the process alive: what it tracks is in its memory. Rejects as `request`.
   */
  async openPort(events: PortEvents): Promise<EnginePort> {
    const running = this.#run();
    await running.facts;
    const port = this.#nextId++;
    running.ports.set(port, events);
    // Whoever asks hears from `lost` that nothing is answered.
    const tell = (asked: Promise<null>): void => void asked.catch(() => undefined);
    return {
      post: (message) => tell(this.#ask(running, "port", { port, message })),
      close: () => {
        if (running.ports.delete(port)) tell(this.#ask(running, "close-port", { port }));
      },
    };
  }

  /** Cancels a download that `request` waits for. */
  cancelDownloads(): void {
    const running = this.#running;
    if (running === undefined) return;
    for (const [id, { onProgress }] of running.waiting) {
      if (onProgress !== undefined) void this.#ask(running, "cancel", { id }).catch(() => undefined);
    }
  }

  #run(): Running {
    this.#wait();
    if (this.#running !== undefined) return this.#running;
    const { spawn, log, most = 3 } = this.#options;
    if (this.#crashes >= most) {
      throw new ExtensionError(
        "engine-lost",
        `the engine has ended ${this.#crashes} times in a row and is not started again by itself: use "Masklet: Restart Engine"`,
        { details: { crashes: this.#crashes } },
      );
    }
    const waiting = new Map<number, Waiting>();
    const ports = new Map<number, PortEvents>();
    const process = spawn(
      (reply) => this.#replied({ waiting, ports }, reply),
      (why) => {
        if (this.#running === running) {
          this.#running = undefined;
          this.#crashes++;
        }
        if (waiting.size > 0) log(`The engine's process ended (${why}) with ${waiting.size} requests`);
        const error = new ExtensionError("engine-lost", `the engine's process ended: ${why}`);
        for (const { reject } of waiting.values()) reject(error);
        waiting.clear();
        for (const { lost } of ports.values()) lost(error);
        ports.clear();
      },
    );
    const running: Running = { process, waiting, ports, facts: Promise.reject(new Error()) };
    running.facts.catch(() => undefined);
    this.#running = running;
    running.facts = this.#ask(running, "start", this.#options.settings()).then((facts) => {
      this.#facts = facts;
      log(`Engine: ${facts.model} on ${facts.runtime}`);
      return facts;
    });
    running.facts.catch((error: Error) => {
      log(`The engine did not start: ${error.message}`);
      // A model that cannot be loaded is no crash: the next request tries again.
      if (this.#running === running) this.#end(running);
    });
    return running;
  }

  #ask<M extends EngineMethod>(
    running: Running,
    method: M,
    args: EngineMethods[M]["args"],
    onProgress?: (share: number, text: string) => void,
    signal?: AbortSignal,
  ): Promise<EngineMethods[M]["result"]> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      running.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, onProgress });
      running.process.send({ id, method, args });
      const cancel = (): void => void this.#ask(running, "cancel", { id }).catch(() => undefined);
      if (signal?.aborted === true) cancel();
      else signal?.addEventListener("abort", () => running.waiting.has(id) && cancel(), { once: true });
    });
  }

  #replied({ waiting, ports }: Pick<Running, "waiting" | "ports">, reply: EngineReply): void {
    if ("port" in reply) {
      this.#crashes = 0;
      ports.get(reply.port)?.message(reply.message);
      return;
    }
    const one = waiting.get(reply.id);
    if (one === undefined) return;
    if ("progress" in reply) {
      one.onProgress?.(reply.progress, reply.text);
      return;
    }
    waiting.delete(reply.id);
    if ("result" in reply) one.resolve(reply.result);
    else one.reject(new ExtensionError(reply.error.code as "engine-lost", reply.error.message));
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const running = this.#running;
      if (running === undefined) return;
      if (running.waiting.size > 0 || running.ports.size > 0) this.#wait();
      else {
        this.#options.log("The engine's process ends: nobody has asked for a while");
        this.#end(running);
      }
    }, this.#options.idle());
  }

  #end(running: Running): void {
    if (this.#running === running) this.#running = undefined;
    running.process.kill();
  }

  /** Ends the process; the next request starts another, whatever happened before. */
  restart(): void {
    this.#crashes = 0;
    if (this.#running !== undefined) this.#end(this.#running);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    if (this.#running !== undefined) this.#end(this.#running);
  }
}
