export { GuidePage } from "./components/GuidePage";
export { Home } from "./components/Home";
