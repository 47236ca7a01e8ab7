export { useConnectionModels, useConnections } from "./api/queries";
export type { Connection } from "./api/schemas";
export { ConnectionPicker, type Picked } from "./components/ConnectionPicker";
export { useConnectionName, useFailedConnection } from "./hooks/useConnectionName";
