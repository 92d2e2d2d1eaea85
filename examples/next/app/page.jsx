"use client";
// The element needs a page: Next renders this part in the browser alone.
import dynamic from "next/dynamic";
import { useEffect, useState } from "react";

const Editor = dynamic(() => import("../../react/editor.jsx").then(({ Editor }) => Editor), {
  ssr: false,
  loading: () => <p>The editor is loading.</p>,
});

export default function Page() {
  const [engine, setEngine] = useState();
  useEffect(() => {
    const worker = new Worker(new URL("../worker.js", import.meta.url), { type: "module" });
    import("../../editor/model.js").then(async ({ openModel }) => setEngine(await openModel({ worker })));
    return () => worker.terminate();
  }, []);
  return <Editor picture="/scene.png" engine={engine} />;
}
