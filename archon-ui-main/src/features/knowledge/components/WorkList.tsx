import { useRunningWork } from "../api/progress";
import { type Begun, useWorkItems } from "../api/work";
import { WorkCard } from "./WorkCard";

/** What is being read and stored, and how what has ended went. What was `begun` just now is brought into sight. */
export function WorkList({ begun }: { begun: Begun | null }) {
  useRunningWork();
  const items = useWorkItems();
  if (items.length === 0) return null;
  return (
    <section aria-labelledby="work-heading" className="mb-8">
      <h2 id="work-heading" className="mb-3 font-serif text-xl font-semibold">
        Work
      </h2>
      <ul className="space-y-3">
        {items.map((item) => (
          <WorkCard key={item.id} item={item} begun={begun?.id === item.id ? begun : null} />
        ))}
      </ul>
    </section>
  );
}
