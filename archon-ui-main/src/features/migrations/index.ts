export { MigrationNote } from "./components/MigrationNote";
