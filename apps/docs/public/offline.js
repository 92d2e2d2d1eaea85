// After the page itself, so that a first visit does not wait for it.
(() => {
  const address = new URL("sw.js", document.currentScript.src);
  const register = () => navigator.serviceWorker.register(address).catch(() => {});
  if ("serviceWorker" in navigator) addEventListener("load", () => setTimeout(register, 2000));
})();
