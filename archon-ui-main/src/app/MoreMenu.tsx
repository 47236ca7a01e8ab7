import * as Popover from "@radix-ui/react-popover";
import { Ellipsis } from "lucide-react";
import { useState } from "react";
import { NavLink, useLocation } from "react-router";
import { classes } from "@/shared/lib/classes";
import { isIn, type Place } from "./places";

interface MoreMenuProps {
  places: readonly Place[];
  /** How the button looks; `isHere`: one of these places is open. */
  look: (isHere: boolean) => string;
  /** Whether it stands among tabs, with an icon above its name. */
  isTab?: boolean;
}

/** The places for which there is no room. */
export function MoreMenu({ places, look, isTab }: MoreMenuProps) {
  const [open, setOpen] = useState(false);
  const { pathname } = useLocation();
  const isHere = places.some((place) => isIn(place, pathname));
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger className={look(isHere)}>
        {isTab && <Ellipsis aria-hidden className="size-5" />}
        More
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="end"
          sideOffset={8}
          collisionPadding={12}
          aria-label="More"
          className="card z-50 w-56 animate-rise p-2 shadow-float"
        >
          <ul>
            {places.map(({ to, label, Icon }) => (
              <li key={to}>
                <NavLink
                  to={to}
                  onClick={() => setOpen(false)}
                  className={({ isActive }) =>
                    classes(
                      "flex min-h-11 items-center gap-3 rounded-lg px-3 font-medium",
                      isActive ? "bg-accent-wash text-accent" : "text-soft hover:bg-sunken hover:text-ink",
                    )
                  }
                >
                  <Icon aria-hidden className="size-5" />
                  {label}
                </NavLink>
              </li>
            ))}
          </ul>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
