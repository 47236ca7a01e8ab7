export { useAllSources } from "./api/sources";
export { AddKnowledge } from "./components/AddKnowledge";
export { KnowledgePage } from "./components/KnowledgePage";
export { PageReader } from "./components/PageReader";
export { SourcePage } from "./components/SourcePage";
export { WorkList } from "./components/WorkList";
