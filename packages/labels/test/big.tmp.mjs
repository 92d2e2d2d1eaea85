import { open, stat } from "node:fs/promises";
import { CocoFile } from "@masklet/labels";
const path = "/tmp/big-coco.json";
let have = false; try { have = (await stat(path)).size > 4e8; } catch {}
if (!have) {
  const f = await open(path, "w");
  await f.write('{"info": {}, "images": [' + Array.from({length: 118000}, (_, i) => `{"license": 3, "file_name": "${String(i).padStart(12, "0")}.jpg", "height": 640, "width": 480, "id": ${i}}`).join(", ") + '], "annotations": [');
  let s = 7; const r = () => (s = (s * 1103515245 + 12345) % 2147483648) / 2147483648;
  for (let a = 0; a < 860; a++) {
    let out = "";
    for (let k = 0; k < 1000; k++) {
      const id = a * 1000 + k;
      const poly = Array.from({length: 2*(12 + Math.floor(r() * 40))}, () => (r() * 480).toFixed(2)).join(", ");
      out += (id ? ", " : "") + `{"segmentation": [[${poly}]], "area": 702.1, "iscrowd": 0, "image_id": ${id % 118000}, "bbox": [473.07, 395.93, 38.65, 28.67], "category_id": 18, "id": ${1768 + id}}`;
    }
    await f.write(out);
  }
  await f.write('], "categories": [{"supercategory": "a", "id": 18, "name": "dog"}]}');
  await f.close();
}
const f = await open(path); const size = (await f.stat()).size;
const source = { name: path, size, read: async (offset, length) => { const b = new Uint8Array(length); let at = 0; while (at < length) { const { bytesRead } = await f.read(b, at, length - at, offset + at); if (!bytesRead) throw new Error("eof"); at += bytesRead; } return b; } };
const t = performance.now();
const c = await CocoFile.open(source);
console.log(size / 1e6, "MB", c.annotationCount, c.imageCount, (performance.now() - t) / 1000, "s", process.resourceUsage().maxRSS / 1024, "MiB peak");
const o = await c.objectsOf(500); console.log(o.length, process.resourceUsage().maxRSS / 1024);
await c.replace(o[0].place, { ...o[0].object, score: 0.5 });
console.log((await c.splices()).length); 
let n = 0; const t2 = performance.now(); for await (const p of c.stream()) n += p.length; console.log(n - size, (performance.now() - t2) / 1000, process.resourceUsage().maxRSS / 1024);
