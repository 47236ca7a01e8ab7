import "katex/dist/katex.min.css";
import rehypeKatex from "rehype-katex";
import remarkMath from "remark-math";
import type { Pluggable } from "unified";

/** Loaded only where there is mathematics. Nothing of it is trusted: no links, no images, no macros without end. */
export const remark: Pluggable = remarkMath;
export const rehype: Pluggable = [
  rehypeKatex,
  { trust: false, strict: "ignore", maxExpand: 500, maxSize: 20, errorColor: "var(--bad)" },
];
