export { GatewayPage } from "./components/GatewayPage";
