import type { ReactNode } from "react";
import { Opening } from "@/shared/ui/Opening";
import { useSession } from "../api/session";
import { SignIn } from "./SignIn";

/** The pages, or the sign-in where the server demands a token. A server that does not answer is the shell's to say. */
export function SessionGate({ children }: { children: ReactNode }) {
  const { data, isPending } = useSession();
  if (isPending) return <Opening />;
  if (data?.required && !data.authenticated) return <SignIn />;
  return children;
}
