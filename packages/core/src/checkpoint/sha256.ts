/** What core needs of WebCrypto, which browsers have on https and localhost, and Node always. */
interface Digester {
  readonly subtle?: { digest(algorithm: "SHA-256", bytes: Uint8Array): Promise<ArrayBuffer> };
}

/** The SHA-256 of bytes, lower-case hexadecimal; `undefined` where the host has no WebCrypto. */
export async function sha256Of(bytes: Uint8Array): Promise<string | undefined> {
  const { crypto } = globalThis as { readonly crypto?: Digester };
  if (crypto?.subtle === undefined) return undefined;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
