import type { EditorObject } from "../document.ts";
import type { EditorSession } from "../session.ts";
import type { MaskletEditorElement } from "./element.ts";
import type { Stage } from "./stage.ts";

/** What the parts of the element have of it, beside its public properties. */
export interface Parts {
  readonly editor: MaskletEditorElement;
  readonly stage: Stage;
  /** Objects that a person does not want to see. */
  readonly hidden: Set<number>;
  /** Whether the picture shows it: neither hidden by a person nor left out by the host. */
  readonly isShown: (object: EditorObject) => boolean;
  /** Objects that a person has chosen for merging. */
  readonly marked: Set<number>;
  /** Runs a command; what it throws is said. */
  attempt(command: (session: EditorSession) => unknown): void;
  /** Says something to who does not see. */
  say(text: string): void;
  /** Shows a message in place of the engine's state, until something is done. */
  tell(message: string): void;
  /** Brings everything that is shown up to date. */
  update(): void;
  /** Has `update` called with every change of what is shown, until the parts are built anew. */
  onUpdate(update: () => void): void;
}
