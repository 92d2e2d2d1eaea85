import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { openModel } from "../editor/model.js";
import { Editor } from "./editor.jsx";

export function App() {
  const [engine, setEngine] = useState();
  const [steps, setSteps] = useState([]);
  useEffect(() => {
    openModel().then(setEngine);
  }, []);
  return (
    <>
      <Editor picture="./scene.png" engine={engine} onStep={(step) => setSteps((all) => [...all, step.name])} />
      <output>{steps.join(", ")}</output>
    </>
  );
}

createRoot(document.getElementById("app")).render(<App />);
