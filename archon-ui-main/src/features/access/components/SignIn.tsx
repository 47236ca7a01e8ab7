import type { FormEvent } from "react";
import { ApiError } from "@/shared/api/errors";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Field } from "@/shared/ui/Field";
import { Logo } from "@/shared/ui/Logo";
import { useSignIn } from "../api/session";

/** Asks for the server's token, once per browser. */
export function SignIn() {
  const signIn = useSignIn();
  const refused =
    signIn.error instanceof ApiError && signIn.error.httpStatus !== null && signIn.error.httpStatus < 500;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget).get("token")).trim();
    if (token) signIn.mutate(token);
  };
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <title>Sign in · Archon</title>
      <div className="w-full max-w-md">
        <Logo className="size-12" />
        <h1 className="mt-5 font-serif text-3xl font-semibold">Sign in to Archon</h1>
        <p className="mt-2 text-soft">
          This server listens beyond its own machine, so it wants to know that you may be here.
        </p>
        <form onSubmit={submit} className="card mt-6 space-y-5 p-5 sm:p-6">
          <Field
            label="Token"
            error={refused ? signIn.error?.message : null}
            help={
              <>
                It stands as <code className="font-mono text-[0.9em]">ARCHON_TOKEN</code> in the server's{" "}
                <code className="font-mono text-[0.9em]">.env</code> file.
              </>
            }
          >
            {(ids) => (
              <input
                {...ids}
                name="token"
                type="password"
                autoComplete="current-password"
                required
                className="input"
              />
            )}
          </Field>
          {signIn.error && !refused && <ErrorNote error={signIn.error} />}
          <Button type="submit" look="primary" busy={signIn.isPending} className="w-full">
            Sign in
          </Button>
        </form>
      </div>
    </main>
  );
}
