/**
 * Figma's message channel: JSON-like values, dates and `Uint8Array`; everything else is refused, prototypes are lost, and
 * nothing is shared between the two sides.
 */
export function throughChannel(value: unknown, path = "message"): unknown {
  if (value === null || ["undefined", "boolean", "number", "string"].includes(typeof value)) return value;
  if (value instanceof Date) return new Date(value);
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map((item, i) => throughChannel(item, `${path}[${i}]`));
  if (typeof value !== "object") throw new TypeError(`Cannot unwrap ${typeof value} at ${path}`);
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value) || value instanceof Blob || value instanceof Promise) {
    throw new TypeError(`Cannot send ${value.constructor.name} at ${path}`);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, throughChannel(item, `${path}.${key}`)]));
}
