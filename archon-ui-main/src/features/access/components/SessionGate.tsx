import type { ReactNode } from "react";
import { Logo } from "@/shared/ui/Logo";
import { useSession } from "../api/session";
import { SignIn } from "./SignIn";

/** The pages, or the sign-in where the server demands a token. A server that does not answer is the shell's to say. */
export function SessionGate({ children }: { children: ReactNode }) {
  const { data, isPending } = useSession();
  if (isPending) {
    return (
      <div role="status" aria-label="Opening Archon" className="grid min-h-dvh place-items-center">
        <Logo className="size-14 animate-pulse" />
      </div>
    );
  }
  if (data?.required && !data.authenticated) return <SignIn />;
  return children;
}
