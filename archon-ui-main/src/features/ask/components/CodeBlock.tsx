import { lazy, Suspense } from "react";
import { CopyButton } from "./CopyButton";

const Highlighted = lazy(() => import("./Highlighted"));

/** A block of code with its language and a way to copy it. */
export function CodeBlock({ code, language }: { code: string; language: string }) {
  return (
    <div className="code-block">
      <div className="flex items-center justify-between gap-2 border-b border-line px-3.5 py-1 font-sans text-[0.8125rem] text-soft">
        <span>{language || "Code"}</span>
        <CopyButton text={code} label="Copy this code" />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code>
          <Suspense fallback={code}>
            <Highlighted code={code} language={language} />
          </Suspense>
        </code>
      </pre>
    </div>
  );
}
