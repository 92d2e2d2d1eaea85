/** The words of a video's page, in the language of VS Code. */
import { l10n } from "vscode";

export function videoWords(): Readonly<Record<string, string>> {
  return {
    loading: l10n.t("Opening the video"),
    newClass: l10n.t("New class..."),
    unread: l10n.t("This video cannot be read here: {message}"),
    unreadFfmpeg: l10n.t("This video cannot be read here: {message} With ffmpeg: {ffmpeg}"),
    engineLost: l10n.t("The engine has ended: {message} What was tracked stays; it starts again now."),
  };
}
