import { useQuery } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import { Children, isValidElement, type ReactNode } from "react";
import type { Components, Options } from "react-markdown";
import { shortUrl, webUrl } from "@/shared/lib/format";
import { Markdown } from "@/shared/ui/Markdown";
import { forMath, hasMath, withDollars } from "../math";
import { CodeBlock } from "./CodeBlock";

interface RichTextProps {
  text: string;
  components?: Components;
  /** Plugins for the text as `forMath` gives it, whose places are those of `text`. */
  rehypePlugins?: NonNullable<Options["rehypePlugins"]>;
  className?: string;
}

/** A model's Markdown with mathematics and code. Nothing in it acts by itself: images become links, links say where to. */
export function RichText({ text, components, rehypePlugins = [], className }: RichTextProps) {
  const { data: math } = useQuery({
    queryKey: ["math-plugins"],
    queryFn: () => import("./MathPlugins"),
    enabled: hasMath(text),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <Markdown
      text={forMath(text)}
      className={className}
      components={{ ...SAFE, ...components }}
      remarkPlugins={math ? [math.remark] : []}
      rehypePlugins={[...rehypePlugins, ...(math ? [math.rehype] : []), restoreDollars]}
    />
  );
}

interface TreeNode {
  type: string;
  value?: string;
  children?: TreeNode[];
}

/** The last step: what stood for a dollar is one again. */
function restoreDollars() {
  const visit = (node: TreeNode) => {
    if (node.type === "text" && node.value) node.value = withDollars(node.value);
    for (const child of node.children ?? []) visit(child);
  };
  return visit;
}

function Outside({ href, children }: { href: string; children: ReactNode }) {
  const address = webUrl(href.replaceAll(encodeURIComponent("\uE000"), "$"));
  if (!address) return <span>{children}</span>;
  const shown = textOf(children);
  const told = shown.includes(hostOf(address));
  return (
    <a href={address} rel="noopener noreferrer nofollow" target="_blank" className="link" title={address}>
      {children}
      {!told && <span className="text-sm text-soft"> ({hostOf(address)})</span>}
      <ExternalLink aria-hidden className="ml-0.5 inline size-3.5 align-[-0.1em]" />
      <span className="sr-only">, opens in a new tab</span>
    </a>
  );
}

function hostOf(address: string): string {
  return shortUrl(address).split(/[/?#]/)[0] ?? address;
}

function textOf(children: ReactNode): string {
  return Children.toArray(children)
    .map((child) =>
      isValidElement<{ children?: ReactNode }>(child) ? textOf(child.props.children) : String(child),
    )
    .join("");
}

const SAFE: Components = {
  a: ({ href, children }) => <Outside href={href ?? ""}>{children}</Outside>,
  // An address of an image can carry what the model read: nobody fetches it but whoever opens the link.
  img: ({ src, alt }) => (
    <Outside href={typeof src === "string" ? src : ""}>Image{alt ? `: ${alt}` : ""}</Outside>
  ),
  pre: ({ children }) => {
    const code = Children.toArray(children)[0];
    if (!isValidElement<{ className?: string; children?: ReactNode }>(code)) return <pre>{children}</pre>;
    const language = /language-([\w+#-]+)/.exec(code.props.className ?? "")?.[1] ?? "";
    return (
      <CodeBlock code={withDollars(textOf(code.props.children)).replace(/\n$/, "")} language={language} />
    );
  },
};
