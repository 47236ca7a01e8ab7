import { plural, shortUrl, webUrl } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import type { SourceDetail } from "../api/schemas";

/** What went wrong when a source was last read: the work as a whole, and page by page. */
export function SourceProblems({ source: { last_job, problems } }: { source: SourceDetail }) {
  const failed = Math.max(last_job?.failed_pages ?? 0, problems.length);
  const ended = last_job?.status === "failed" && last_job.error;
  if (!ended && failed === 0) return null;
  return (
    <section aria-label="Problems" className="mb-6 space-y-3">
      {ended && <ErrorNote error={ended} title="The last reading failed." />}
      {failed > 0 && (
        <Notice tone="warn" title={`${plural(failed, "page")} could not be read the last time.`}>
          <details>
            <summary className="w-fit rounded">Which, and why</summary>
            <ul className="mt-2 space-y-2">
              {problems.map((problem) => (
                <li key={problem.url}>
                  <Address url={problem.url} />
                  <span className="block text-sm">
                    {problem.error} {problem.next_step}
                  </span>
                </li>
              ))}
            </ul>
            {failed > problems.length && (
              <p className="mt-2 text-sm">and {plural(failed - problems.length, "more", "more")}</p>
            )}
          </details>
        </Notice>
      )}
    </section>
  );
}

function Address({ url }: { url: string }) {
  const address = webUrl(url);
  if (!address) return <span className="font-medium">{url}</span>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer" className="link">
      {shortUrl(address)}
    </a>
  );
}
