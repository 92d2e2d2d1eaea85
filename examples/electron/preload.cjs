// All that the page can do besides being a page.
const { contextBridge, ipcRenderer } = require("electron");

contextBridge.exposeInMainWorld("host", {
  open: () => ipcRenderer.invoke("open"),
  save: (name, bytes) => ipcRenderer.invoke("save", name, bytes),
});
