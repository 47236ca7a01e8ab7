export { CheckResult, ProviderField, ServedModel } from "./api/schemas";
export { CheckBoth } from "./components/CheckBoth";
export { CheckReport } from "./components/CheckReport";
export { ProvidersSettings } from "./components/ProvidersSettings";
export { type ServiceHealth, useServiceHealth } from "./hooks/useServiceHealth";
