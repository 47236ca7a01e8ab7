import { Unplug } from "lucide-react";
import { ApiError } from "@/shared/api/errors";
import { Button } from "@/shared/ui/Button";
import { useAlive } from "./health";

/** Says that Archon's server is away, and asks again by itself until it is back. */
export function ServerBanner() {
  const { error, refetch, isFetching } = useAlive();
  if (!error) return null;
  const away = error instanceof ApiError && error.isUnreachable;
  return (
    <div role="alert" className="border-b border-bad/30 bg-bad-wash">
      <div className="mx-auto flex max-w-5xl flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5 sm:px-6">
        <Unplug aria-hidden className="size-5 shrink-0 text-bad" />
        <p className="min-w-0 flex-1">
          <span className="font-semibold">{away ? "Archon's server does not answer." : error.message}</span>{" "}
          {away && "Start it with “make up”; this page goes on by itself when it is back."}
        </p>
        <Button small busy={isFetching} onClick={() => void refetch()}>
          Try now
        </Button>
      </div>
    </div>
  );
}
