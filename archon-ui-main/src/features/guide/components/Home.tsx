import { Navigate } from "react-router";
import { useSettings } from "@/shared/api/settings";
import { GuidePage } from "./GuidePage";

/** Where the address alone leads: the guide until the first question was asked, then to asking. */
export function Home() {
  const { data } = useSettings();
  if (data && Object.values(data.first_run).every(Boolean)) return <Navigate to="/ask" replace />;
  return <GuidePage />;
}
