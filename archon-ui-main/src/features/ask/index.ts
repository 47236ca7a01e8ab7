export { AskPage } from "./components/AskPage";
