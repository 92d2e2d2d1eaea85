/** What a document asks, as VS Code's own boxes. */
import { l10n, type Memento, window } from "vscode";
import type { Asker } from "./document.ts";
import { newLabels } from "./new-labels.ts";

/** Asks whoever is at the keyboard; `memory` keeps what is asked once. */
export function askerOf(memory: Memento): Asker {
  return {
    format: (picture) => newLabels(picture, memory),
    className: async (names, count, isFree) => {
      const other = l10n.t("New class...");
      const picked = await window.showQuickPick([...names, ...(isFree ? [other] : [])], {
        title: l10n.t("Class of {0} objects that have none", count),
      });
      if (picked !== other) return picked;
      const name = await window.showInputBox({ prompt: l10n.t("Name of the class") });
      return name?.trim() || undefined;
    },
    conflict: async (count, file) => {
      const mine = l10n.t("Keep Mine");
      const theirs = l10n.t("Take Theirs");
      const chosen = await window.showWarningMessage(
        l10n.t("{0} objects were changed here and in {1}.", count, file),
        { modal: true },
        mine,
        theirs,
      );
      return chosen === mine ? "mine" : chosen === theirs ? "theirs" : undefined;
    },
  };
}
