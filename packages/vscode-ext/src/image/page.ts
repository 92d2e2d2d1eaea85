/** The html of a picture's page. */
import { Uri, type Webview } from "vscode";

/** A page of `dist/webview`, with the strictest policy that it works under; `worker`: the model runs in it. */
export function pageHtml(
  webview: Webview,
  extension: Uri,
  page: string,
  { worker = false }: { readonly worker?: boolean } = {},
): string {
  const at = (name: string): string => webview.asWebviewUri(Uri.joinPath(extension, "webview", name)).toString();
  const nonce = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  const own = webview.cspSource;
  const policy = [
    "default-src 'none'",
    `img-src ${own} blob: data:`,
    `style-src ${own}`,
    `font-src ${own}`,
    `script-src 'nonce-${nonce}'${worker ? " 'wasm-unsafe-eval'" : ""}`,
    `connect-src ${own}`,
    ...(worker ? ["worker-src blob:"] : []),
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Masklet</title>
<link rel="stylesheet" href="${at(`${page}.css`)}">
</head>
<body data-vscode-context='{"preventDefaultContextMenuItems": true}'>
<script nonce="${nonce}" src="${at(`${page}.js`)}"></script>
</body>
</html>`;
}
