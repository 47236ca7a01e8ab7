export { CheckBoth } from "./components/CheckBoth";
export { ProvidersSettings } from "./components/ProvidersSettings";
export { type ServiceHealth, useServiceHealth } from "./hooks/useServiceHealth";
