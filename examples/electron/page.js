import { encodeBlob } from "@masklet/core/web";
import "@masklet/editor/element";
import { openModel } from "../editor/model.js";

const editor = document.querySelector("masklet-editor");
let name = "picture";

document.getElementById("open").addEventListener("click", async () => {
  const file = await host.open();
  if (file === undefined) return;
  name = file.name.replace(/\.[^.]*$/, "");
  await editor.open(new Blob([file.bytes]));
});
document.getElementById("save").addEventListener("click", async () => {
  const { session, image } = editor;
  const object = session?.document.objects.at(-1);
  if (object === undefined || image === undefined) return;
  const png = await encodeBlob(session.cutout(image, object.id, { crop: true }));
  await host.save(`${name}.png`, new Uint8Array(await png.arrayBuffer()));
});
editor.engine = await openModel();
