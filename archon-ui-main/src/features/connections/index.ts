export { useConnectionModels, useConnections } from "./api/queries";
export type { Connection } from "./api/schemas";
