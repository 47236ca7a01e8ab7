import { NavLink, useLocation } from "react-router";
import { classes } from "@/shared/lib/classes";
import { MoreMenu } from "./MoreMenu";
import { isIn, type Place, type Places } from "./places";

/** The places in the head of the page; what keeps Archon running goes into a menu where there is no room for all. */
export function TopNavigation({ places: { daily, running } }: { places: Places }) {
  return (
    <nav aria-label="Main" className="hidden min-w-0 items-center gap-0.5 md:flex">
      {daily.map((place) => (
        <TopLink key={place.to} place={place} />
      ))}
      <span aria-hidden className="mx-2 hidden h-5 w-px bg-line xl:block" />
      <div className="hidden gap-0.5 xl:flex">
        {running.map((place) => (
          <TopLink key={place.to} place={place} />
        ))}
      </div>
      <div className="xl:hidden">
        <MoreMenu places={running} look={topLook} />
      </div>
    </nav>
  );
}

/** The places at the foot of a phone's page: four, and a menu with the others. */
export function TabNavigation({ places: { tabs, more } }: { places: Places }) {
  const { pathname } = useLocation();
  return (
    <nav
      aria-label="Main"
      className="fixed inset-x-0 bottom-0 z-30 grid h-[3.75rem] grid-cols-5 whitespace-nowrap border-t border-line bg-surface md:hidden"
    >
      {tabs.map((place) => (
        <NavLink key={place.to} to={place.to} className={tabLook(isIn(place, pathname))}>
          <place.Icon aria-hidden className="size-5" />
          {place.label}
        </NavLink>
      ))}
      <MoreMenu places={more} look={tabLook} isTab />
    </nav>
  );
}

function TopLink({ place }: { place: Place }) {
  const { pathname } = useLocation();
  return (
    <NavLink to={place.to} className={topLook(isIn(place, pathname))}>
      {place.label}
    </NavLink>
  );
}

function topLook(isHere: boolean): string {
  return classes(
    "rounded-lg px-2.5 py-1.5 font-medium transition-colors",
    isHere ? "bg-accent-wash text-accent" : "text-soft hover:bg-sunken hover:text-ink",
  );
}

function tabLook(isHere: boolean): string {
  return classes(
    "flex flex-col items-center justify-center gap-0.5 text-xs font-medium",
    isHere ? "text-accent" : "text-soft",
  );
}
