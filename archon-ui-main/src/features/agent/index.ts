export { AgentPage } from "./components/AgentPage";
export { AgentSwitch } from "./components/AgentSwitch";
