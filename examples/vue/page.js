import { createApp, h, ref, shallowRef } from "vue";
import { openModel } from "../editor/model.js";
import Editor from "./Editor.vue";

const App = {
  setup() {
    // Shallow: a model in a proxy would not be the model.
    const engine = shallowRef();
    const steps = ref([]);
    openModel().then((model) => {
      engine.value = model;
    });
    const onStep = (step) => steps.value.push(step.name);
    return () => [
      h(Editor, { picture: "./scene.png", engine: engine.value, onStep }),
      h("output", steps.value.join(", ")),
    ];
  },
};
createApp(App).mount("#app");
