export default {
  // Wasm has threads in pages with these.
  headers: async () => [
    {
      source: "/:path*",
      headers: [
        { key: "Cross-Origin-Opener-Policy", value: "same-origin" },
        { key: "Cross-Origin-Embedder-Policy", value: "require-corp" },
      ],
    },
  ],
  // One copy of ONNX Runtime's wasm (apps/docs/browser.md).
  webpack: (/** @type {{ resolve: { conditionNames?: readonly string[] } }} */ config) => {
    config.resolve.conditionNames = ["onnxruntime-web-use-extern-wasm", "..."];
    return config;
  },
};
