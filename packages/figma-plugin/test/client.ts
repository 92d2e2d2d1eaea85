/** The UI's side of the channel, for tests of the main thread. */
import {
  type Answer,
  type Curves,
  type Job,
  type Method,
  type Output,
  type OutputKind,
  protocolVersion,
  type Requests,
  type ResultObject,
  type Target,
} from "../src/protocol.ts";
import type { FakeFigma } from "./fake/figma.ts";
import { pngOf } from "./fake/images.ts";

export class Client {
  readonly events: unknown[] = [];
  private readonly figma: FakeFigma;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private ids = 0;

  constructor(figma: FakeFigma) {
    this.figma = figma;
    figma.loadUi((message) => {
      const answer = message as Answer;
      if ("id" in answer) this.waiting.get(answer.id)?.(answer);
      else this.events.push(message);
    });
  }

  call<M extends Method>(method: M, params: Requests[M]["params"]): Promise<Requests[M]["result"]> {
    const id = ++this.ids;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, (answer) => {
        if ("error" in answer) reject(Object.assign(new Error(answer.error.message), answer.error));
        else resolve(answer.result as Requests[M]["result"]);
      });
      this.figma.send({ masklet: protocolVersion, id, method, params });
    });
  }
}

/** Lets what was asked for happen, whether or not an answer will come. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export const box = { x: 8, y: 6, width: 20, height: 15 };
/** A square with a hole, in pixels. */
export const square: Curves = [
  [box.x, box.y, 10, 6, 20, 6, 28, 6, 28, 10, 28, 18, 28, 21, 20, 21, 10, 21, 8, 21, 8, 18, 8, 10, 8, 6],
  [14, 10, 16, 10, 18, 10, 20, 10, 20, 12, 20, 14, 20, 16, 18, 16, 16, 16, 14, 16, 14, 14, 14, 12, 14, 10],
];

export interface JobOptions {
  readonly size?: { readonly width: number; readonly height: number };
  readonly more?: Partial<Output>;
  readonly vector?: boolean;
  /** Another picture. */
  readonly grey?: number;
}

/** A result for a target, as the UI would make it. */
export async function jobFor(
  client: Client,
  target: Target,
  kind: OutputKind,
  { size = { width: 40, height: 30 }, more = {}, vector = false, grey = 100 }: JobOptions = {},
): Promise<Job> {
  const { node, field, hash, stamp } = target;
  const region = kind === "trimmed" ? box : null;
  const object = async (name: string, shade: number): Promise<ResultObject> => ({
    name,
    image: vector
      ? null
      : await client.call("store", { bytes: pngOf((region ?? size).width, (region ?? size).height, shade) }),
    region,
    curves: square,
  });
  const objects = [await object("Object 1", grey)];
  if (kind === "objects") objects.push(await object("Object 2", grey + 1));
  return { node, field, hash, stamp, output: { kind, objects, background: null, outline: null, edit: "{}", ...more } };
}
