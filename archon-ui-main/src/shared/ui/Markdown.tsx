import { ImageOff } from "lucide-react";
import ReactMarkdown, { type Components, type Options } from "react-markdown";
import remarkGfm from "remark-gfm";
import { classes } from "@/shared/lib/classes";

/** Links leave without telling where they come from; images are named, not fetched: their address could carry data. */
const SAFE: Components = {
  a: ({ href, children }) => (
    <a href={href} rel="noopener noreferrer nofollow" target="_blank" className="link">
      {children}
    </a>
  ),
  img: ({ alt }) => (
    <span className="inline-flex items-center gap-1.5 rounded bg-sunken px-2 text-sm text-soft">
      <ImageOff aria-hidden className="size-3.5" /> Image not loaded{alt ? `: ${alt}` : ""}
    </span>
  ),
  input: ({ checked }) => (
    <input
      type="checkbox"
      checked={checked ?? false}
      readOnly
      disabled
      className="mr-1.5"
      aria-label="Task"
    />
  ),
};

interface MarkdownProps {
  text: string;
  components?: Components;
  remarkPlugins?: NonNullable<Options["remarkPlugins"]>;
  rehypePlugins?: Options["rehypePlugins"];
  className?: string;
}

/** Markdown without active content: raw HTML is shown as the text it is. */
export function Markdown({ text, components, remarkPlugins = [], rehypePlugins, className }: MarkdownProps) {
  return (
    <div className={classes("prose", className)}>
      <ReactMarkdown
        remarkPlugins={[remarkGfm, ...remarkPlugins]}
        rehypePlugins={rehypePlugins}
        components={{ ...SAFE, ...components }}
      >
        {text}
      </ReactMarkdown>
    </div>
  );
}
