/**
 * The part of a `MessagePort` that is needed here. Ports and workers of browsers and of `node:worker_threads` fit; so
 * does an object around any other channel that delivers structured clones in their order, such as a VS Code webview's.
 */
export interface PortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** As of an `EventTarget`: gets events, a message as the event's `data`. */
  addEventListener?(type: string, listener: (event: object) => void): void;
  removeEventListener?(type: string, listener: (event: object) => void): void;
  /** As of Node's `Worker`, where there is no `addEventListener`: gets the values themselves. */
  on?(event: string, listener: (value: unknown) => void): unknown;
  off?(event: string, listener: (value: unknown) => void): unknown;
  /** Ports hold messages back until they are started. */
  start?(): void;
}

interface PortListener {
  readonly message: (data: unknown) => void;
  /** Nothing more will come, or what came cannot be read. May be called more than once. */
  readonly lost: (why: string, cause?: unknown) => void;
}

/** Listens until the returned function is called. */
export function listen(port: PortLike, { message, lost }: PortListener): () => void {
  const isTarget = port.addEventListener !== undefined;
  const fieldOf = (event: unknown, field: string): unknown =>
    isTarget ? (event as Readonly<Record<string, unknown>>)[field] : event;
  const listeners: Readonly<Record<string, (event: unknown) => void>> = {
    message: (event) => message(fieldOf(event, "data")),
    messageerror: (event) => lost("a message cannot be read here", isTarget ? undefined : event),
    close: () => lost("the port is closed"),
    // Of a worker: it failed to load, or threw where nothing caught it.
    error: (event) => {
      const cause = fieldOf(event, "error");
      const said = (event as { readonly message?: unknown } | undefined)?.message;
      lost(`the worker failed${typeof said === "string" && said !== "" ? `: ${said}` : ""}`, cause ?? undefined);
    },
    exit: (code) => lost(`the worker ended with exit code ${String(code)}`),
  };
  for (const [type, listener] of Object.entries(listeners)) {
    if (isTarget) port.addEventListener?.(type, listener);
    else port.on?.(type, listener);
  }
  port.start?.();
  return () => {
    for (const [type, listener] of Object.entries(listeners)) {
      if (isTarget) port.removeEventListener?.(type, listener);
      else port.off?.(type, listener);
    }
  };
}
