import { Link, useRouteError } from "react-router";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Page } from "@/shared/ui/Page";

/** A page that failed in a way nobody expected. */
export function Broken() {
  return (
    <main>
      <Page title="Something broke">
        <ErrorNote error={useRouteError()} onRetry={() => window.location.reload()} />
      </Page>
    </main>
  );
}

export function NotFound() {
  return (
    <Page title="There is no such page">
      <p>
        The address leads nowhere here.{" "}
        <Link to="/" className="link">
          Go to the start
        </Link>
      </p>
    </Page>
  );
}
