import { useSearchParams } from "react-router";
import { SORTS, type Sort, type SourceView } from "../api/source";

/** How the sources are shown is part of the address, so that Back and a reload keep it. */
export function useSourceView(): [SourceView, (changes: Partial<SourceView>) => void] {
  const [address, setAddress] = useSearchParams();
  const sort = address.get("sort") ?? "";
  const view: SourceView = {
    search: address.get("find") ?? "",
    type: address.get("type") ?? "",
    tag: address.get("tag") ?? "",
    problems: address.get("problems") === "1",
    sort: sort in SORTS ? (sort as Sort) : "updated",
    page: Math.max(1, Number.parseInt(address.get("page") ?? "1", 10) || 1),
  };
  const change = (changes: Partial<SourceView>) => {
    const next = { ...view, page: 1, ...changes };
    const values = {
      find: next.search,
      type: next.type,
      tag: next.tag,
      problems: next.problems ? "1" : "",
      sort: next.sort === "updated" ? "" : next.sort,
      page: next.page > 1 ? String(next.page) : "",
    };
    const kept = Object.entries(values).filter(([, value]) => value !== "");
    setAddress(new URLSearchParams(kept), { replace: true, preventScrollReset: true });
  };
  return [view, change];
}

/** Whether anything is left out of the list. */
export function isNarrowed({ search, type, tag, problems }: SourceView): boolean {
  return search !== "" || type !== "" || tag !== "" || problems;
}
