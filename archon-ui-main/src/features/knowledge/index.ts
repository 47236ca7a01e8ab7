export { useAllSources } from "./api/sources";
export type { Begun } from "./api/work";
export { AddKnowledge } from "./components/AddKnowledge";
export { WorkList } from "./components/WorkList";
