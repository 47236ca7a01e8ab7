import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { createMemoryRouter } from "react-router";
import { App } from "@/app/App";
import { routes } from "@/app/routes";
import { createQueryClient } from "@/shared/api/query";

/** The whole application at an address, and a person to use it. */
export function open(path: string) {
  const router = createMemoryRouter(routes, { initialEntries: [path] });
  render(<App client={createQueryClient()} router={router} />);
  return { user: userEvent.setup(), router };
}
