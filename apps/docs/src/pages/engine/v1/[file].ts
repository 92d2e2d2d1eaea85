/** The Figma plugin's hosted engine, as its own package bundles it: a page of its own that has nothing of the site. */
import type { APIRoute, GetStaticPaths } from "astro";

// Not through Vite: the bundler is a program of Node's.
const { href } = new URL("../../packages/figma-plugin/bundle.mjs", `file://${process.cwd()}/`);
interface Bundler {
  bundleEngine(): Promise<Readonly<Record<string, Uint8Array<ArrayBuffer>>>>;
}
const { bundleEngine } = (await import(/* @vite-ignore */ href)) as Bundler;

export const getStaticPaths: GetStaticPaths = async () =>
  Object.entries(await bundleEngine()).map(([file, content]) => ({ params: { file }, props: { content } }));

export const GET: APIRoute = ({ props }) => new Response(props["content"] as BodyInit);
