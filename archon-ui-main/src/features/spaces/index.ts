export { SpaceChange } from "./components/SpaceChange";
