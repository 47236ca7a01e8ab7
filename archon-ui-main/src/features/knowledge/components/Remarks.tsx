/** What a job left out of a site, and why, a sentence each. */
export function Remarks({ lines }: { lines: readonly string[] }) {
  if (lines.length === 0) return null;
  return (
    <ul aria-label="Left out" className="mt-2 space-y-1 text-[0.9375rem] text-soft">
      {lines.map((line) => (
        <li key={line} className="break-words">
          {line}
        </li>
      ))}
    </ul>
  );
}
