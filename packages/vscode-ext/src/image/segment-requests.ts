/** Objects that a language model asks for, in a picture's page. */
import { type CancellationToken, commands, type Uri } from "vscode";
import { ExtensionError } from "../errors.ts";
import { nameOf } from "../labels/find.ts";
import type { SegmentAnswer, ToHost, ToPage } from "../protocol.ts";
import type { SegmentInput } from "../tools.ts";
import { viewType } from "./view-type.ts";

/** Milliseconds that a picture may take until its page shows it. */
const OPENING = 30_000;

/** A page that may answer. */
interface Answering {
  readonly document: { readonly uri: Uri };
  readonly isDecoded: boolean;
  post(message: ToPage): void;
}

export class SegmentRequests {
  readonly #pages: () => Iterable<Answering>;
  #nextId = 1;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (answer: SegmentAnswer) => void; readonly reject: (error: ExtensionError) => void }
  >();

  constructor(pages: () => Iterable<Answering>) {
    this.#pages = pages;
  }

  /** The picture is opened beside what a person does, and its page answers. Rejects with "cancelled" or "engine-lost". */
  async ask(image: Uri, input: SegmentInput, token: CancellationToken): Promise<SegmentAnswer> {
    const opened = (): Answering | undefined =>
      [...this.#pages()].find((page) => page.isDecoded && page.document.uri.toString() === image.toString());
    if (opened() === undefined) {
      await commands.executeCommand("vscode.openWith", image, viewType, { preserveFocus: true, preview: true });
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(id);
        clearTimeout(timer);
        cancelled.dispose();
      };
      const fail = (error: ExtensionError): void => {
        end();
        reject(error);
      };
      this.#waiting.set(id, {
        resolve: (answer) => {
          end();
          resolve(answer);
        },
        reject: fail,
      });
      const cancelled = token.onCancellationRequested(() =>
        fail(new ExtensionError("cancelled", "the request was cancelled")),
      );
      const began = Date.now();
      let timer: ReturnType<typeof setTimeout>;
      const ask = (): void => {
        const page = opened();
        const draft = input.addDraft === true ? (input.class ?? null) : undefined;
        if (page !== undefined) page.post({ type: "segment", id, prompt: input, draft });
        else if (Date.now() - began > OPENING)
          fail(new ExtensionError("engine-lost", `${nameOf(image)} could not be shown`));
        else timer = setTimeout(ask, 100);
      };
      timer = setTimeout(ask);
    });
  }

  /** What a page has answered. */
  answered(message: Extract<ToHost, { type: "segmented" | "not-segmented" }>): void {
    const one = this.#waiting.get(message.id);
    if (message.type === "segmented") one?.resolve(message.answer);
    else one?.reject(new ExtensionError("engine-lost", message.message));
  }
}
