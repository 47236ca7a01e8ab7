import { CircleAlert, CircleCheck, Info, type LucideIcon, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { classes } from "@/shared/lib/classes";

export type Tone = "good" | "warn" | "bad" | "info";

const TONES: Record<Tone, { box: string; icon: string; Icon: LucideIcon }> = {
  good: { box: "bg-good-wash border-good/30", icon: "text-good", Icon: CircleCheck },
  warn: { box: "bg-warn-wash border-warn/30", icon: "text-warn", Icon: TriangleAlert },
  bad: { box: "bg-bad-wash border-bad/30", icon: "text-bad", Icon: CircleAlert },
  info: { box: "bg-accent-wash border-accent/25", icon: "text-accent", Icon: Info },
};

interface NoticeProps {
  tone: Tone;
  title?: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  role?: "alert" | "status" | "note";
  className?: string;
}

/** A sentence that matters, with an icon that says the same as its colour. */
export function Notice({ tone, title, children, actions, role, className }: NoticeProps) {
  const { box, icon, Icon } = TONES[tone];
  return (
    <div
      role={role}
      className={classes("flex gap-3 rounded-xl border px-4 py-3 text-[0.9375rem]", box, className)}
    >
      <Icon aria-hidden className={classes("mt-[0.2rem] size-[1.125rem] shrink-0", icon)} />
      <div className="min-w-0 flex-1 space-y-1">
        {title && <p className="font-semibold leading-snug">{title}</p>}
        {children}
        {actions && <div className="flex flex-wrap gap-2 pt-2">{actions}</div>}
      </div>
    </div>
  );
}
