import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { flushSync } from "react-dom";
import { RouterProvider, type RouterProviderProps } from "react-router";

interface AppProps {
  client: QueryClient;
  router: RouterProviderProps["router"];
}

export function App({ client, router }: AppProps) {
  return (
    <QueryClientProvider client={client}>
      <RouterProvider router={router} flushSync={flushSync as RouterProviderProps["flushSync"]} />
    </QueryClientProvider>
  );
}
