import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const SERVER = process.env.TERTULIA_URL ?? "http://127.0.0.1:8420";

/** KaTeX lists each font as woff2, woff and ttf; every browser we serve reads the first. */
function onlyWoff2(): Plugin {
  return {
    name: "only-woff2",
    enforce: "pre",
    transform(code, id) {
      if (!/(katex|@fontsource).*\.css$/.test(id)) return null;
      return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\(["'][^)]*["']\)/g, "");
    },
  };
}

export default defineConfig({
  plugins: [onlyWoff2(), react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "../src/tertulia/page",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows no data: addresses
    target: "es2023",
    license: { fileName: "licenses.md" }, // what we ship of others, with their terms
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/v1", "/chat"].map((at) => [at, { target: SERVER, ws: true }]),
    ),
  },
  test: { include: ["src/**/*.test.ts"] },
});
