import { useBeforeUnload, useBlocker } from "react-router";

/** Asks before unsaved work is left: through the router's blocker here, through the browser when the tab closes. */
export function useLeaveGuard(unsaved: boolean) {
  useBeforeUnload((event) => {
    if (unsaved) event.preventDefault();
  });
  return useBlocker(
    ({ currentLocation, nextLocation }) => unsaved && currentLocation.pathname !== nextLocation.pathname,
  );
}
