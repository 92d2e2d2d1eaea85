/**
 * XML as a tree whose elements know where they stand. Of entities there are XML's own five and character references;
 * declarations of others, and anything from outside, are never followed.
 */
import { SaxesParser } from "saxes";
import { LabelError } from "../errors.ts";

const deepest = 200;

export class XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: XmlElement[] = [];
  /** The text directly within. */
  text = "";
  /** Where the element begins and ends, in units of UTF-16. */
  readonly start: number;
  end: number;
  /** Where its opening tag ends. */
  readonly open: number;

  constructor(name: string, attributes: ReadonlyMap<string, string>, start: number, open: number) {
    this.name = name;
    this.attributes = attributes;
    this.start = start;
    this.open = open;
    this.end = open;
  }

  child(name: string): XmlElement | undefined {
    return this.children.find((one) => one.name === name);
  }

  all(name: string): readonly XmlElement[] {
    return this.children.filter((one) => one.name === name);
  }

  /** Its text as a number; `undefined` if it is none. */
  number(): number | undefined {
    return numberOf(this.text);
  }

  /** An attribute as a number; `undefined` if it is none. */
  numeric(name: string): number | undefined {
    return numberOf(this.attributes.get(name) ?? "");
  }
}

function numberOf(text: string): number | undefined {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** The root element of XML text. Throws a `LabelError` "xml-malformed". */
export function parseXml(text: string, file = "bytes"): XmlElement {
  const parser = new SaxesParser({ position: true });
  let root: XmlElement | undefined;
  const open: XmlElement[] = [];
  const fail = (problem: string): LabelError =>
    new LabelError("xml-malformed", `${file}: ${problem}`, { details: { file, at: parser.position } });
  parser.on("error", (error) => {
    throw fail(error.message.replace(/^undefined:/, "line "));
  });
  parser.on("opentag", ({ name, attributes }) => {
    if (open.length >= deepest) throw fail(`elements lie more than ${deepest} deep`);
    const end = parser.position;
    const element = new XmlElement(name, new Map(Object.entries(attributes)), text.lastIndexOf(`<${name}`, end), end);
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on("closetag", () => {
    const element = open.pop();
    if (element !== undefined) element.end = parser.position;
  });
  const add = (more: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += more;
  };
  parser.on("text", add);
  parser.on("cdata", add);
  parser.write(text).close();
  if (root === undefined) throw fail("has no element");
  return root;
}

/** Text for between tags and within attributes; what XML cannot hold becomes U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .replaceAll(/\p{Cc}|[\ufffe\uffff]/gu, (one) => (/[\t\n\r\u007f-\u009f]/.test(one) ? one : "\ufffd"))
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("\r", "&#13;")
    .replaceAll("\n", "&#10;")
    .replaceAll("\t", "&#9;");
}
