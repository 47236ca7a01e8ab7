export { SessionGate } from "./components/SessionGate";
