export { useAllSources } from "./api/sources";
export { AddKnowledge } from "./components/AddKnowledge";
export { WorkList } from "./components/WorkList";
