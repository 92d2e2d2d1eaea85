/** A PNG for other programs: to the clipboard where the browser lets a plugin, else to a file. */

/**
 * Where it went. A clipboard that is closed, as in a page without an origin, gets a file instead. Rejects as `png`. To be
 * called while a click is answered, which the clipboard asks for; `png` may take its time.
 */
export async function givePng(
  png: Promise<Uint8Array>,
  name: string,
  toClipboard: boolean,
): Promise<"clipboard" | "file"> {
  const blob = png.then((bytes) => new Blob([bytes.slice()], { type: "image/png" }));
  if (toClipboard && (await copy(blob))) return "clipboard";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return "file";
}

async function copy(blob: Promise<Blob>): Promise<boolean> {
  // The types have a clipboard everywhere; pages that are not secure have none.
  const { clipboard } = navigator as { readonly clipboard?: Clipboard };
  if (clipboard?.write === undefined || typeof ClipboardItem === "undefined") return false;
  return clipboard.write([new ClipboardItem({ "image/png": blob })]).then(
    () => true,
    () => false,
  );
}
