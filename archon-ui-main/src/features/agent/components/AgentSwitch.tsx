import { MessageCircleQuestionMark, Sparkles } from "lucide-react";
import { NavLink } from "react-router";
import { classes } from "@/shared/lib/classes";

const WAYS = [
  { to: "/ask", label: "Answer", about: "One search, then the answer", Icon: MessageCircleQuestionMark },
  { to: "/agent", label: "Agent", about: "Searches and reads until it can answer", Icon: Sparkles },
] as const;

/** Between a chat that answers from one search and the agent that searches by itself. */
export function AgentSwitch() {
  return (
    <nav aria-label="How to answer" className="inline-flex gap-1 rounded-xl bg-sunken p-1">
      {WAYS.map(({ to, label, about, Icon }) => (
        <NavLink
          key={to}
          to={to}
          title={about}
          className={({ isActive }) =>
            classes(
              "inline-flex min-h-9 items-center gap-1.5 rounded-lg px-3 text-sm font-medium",
              isActive ? "bg-surface text-ink shadow-lift" : "text-soft hover:text-ink",
            )
          }
        >
          <Icon aria-hidden className="size-4" /> {label}
        </NavLink>
      ))}
    </nav>
  );
}
