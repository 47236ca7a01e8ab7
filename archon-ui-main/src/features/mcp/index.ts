export { McpPage } from "./components/McpPage";
