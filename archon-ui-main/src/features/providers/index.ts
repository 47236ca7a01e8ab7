export { useCheck, useProviderStatus, useProviders } from "./api/queries";
export { CheckReport } from "./components/CheckReport";
export { ProvidersSettings } from "./components/ProvidersSettings";
export { SERVICES } from "./services";
