import { Plus, Trash2 } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { Link, useNavigate } from "react-router";
import { classes } from "@/shared/lib/classes";
import { ago } from "@/shared/lib/format";
import { buttonClasses, IconButton } from "@/shared/ui/Button";
import { Confirm } from "@/shared/ui/Confirm";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useConversations, useDeleteConversation } from "../api/conversations";
import type { ConversationInfo } from "../api/schemas";

interface ConversationListProps {
  current: string | null;
  onChosen?: () => void;
}

/** Past questions, newest first. */
export function ConversationList({ current, onChosen }: ConversationListProps) {
  const [words, setWords] = useState("");
  const looked = useDeferredValue(words.trim());
  const { data, error, refetch } = useConversations(looked);
  const [deleting, setDeleting] = useState<ConversationInfo | null>(null);
  return (
    <nav aria-label="Past questions" className="space-y-4">
      <Link to="/ask" onClick={onChosen} className={classes(buttonClasses("secondary"), "w-full")}>
        <Plus aria-hidden className="size-4" /> New question
      </Link>
      <input
        type="search"
        aria-label="Search past questions"
        placeholder="Search past questions"
        value={words}
        onChange={(event) => setWords(event.target.value)}
        className="input min-h-9 py-1 text-[0.9375rem]"
      />
      {error && (
        <ErrorNote error={error} title="Past questions could not be read." onRetry={() => void refetch()} />
      )}
      {!data && !error && <Skeleton rows={5} shape="h-11" label="Loading past questions" />}
      {data?.length === 0 && (
        <p role="status" className="px-2 text-sm text-soft">
          {looked
            ? "No conversation has all of these words."
            : "What you ask is kept here, with its passages."}
        </p>
      )}
      <ul className="space-y-0.5">
        {data?.map((one) => (
          <li
            key={one.id}
            className={classes(
              "group flex items-center rounded-lg",
              one.id === current ? "bg-accent-wash" : "hover:bg-sunken",
            )}
          >
            <Link
              to={`/ask/${encodeURIComponent(one.id)}`}
              onClick={onChosen}
              aria-current={one.id === current ? "page" : undefined}
              className="min-w-0 flex-1 rounded-lg px-3 py-2"
            >
              <span className="line-clamp-2 text-[0.9375rem] leading-snug">{one.title || "Untitled"}</span>
              {one.snippet && looked && (
                <span className="line-clamp-2 text-[0.8125rem] leading-snug text-soft">{one.snippet}</span>
              )}
              <span className="block text-[0.8125rem] text-soft">
                {ago(one.updated_at ?? one.created_at)}
              </span>
            </Link>
            <IconButton
              label={`Delete “${one.title || "Untitled"}”`}
              onClick={() => setDeleting(one)}
              className="mr-1 opacity-0 hover:text-bad focus-visible:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100"
            >
              <Trash2 aria-hidden className="size-4" />
            </IconButton>
          </li>
        ))}
      </ul>
      <DeleteConversation conversation={deleting} current={current} onClose={() => setDeleting(null)} />
    </nav>
  );
}

interface DeleteConversationProps {
  conversation: ConversationInfo | null;
  current: string | null;
  onClose: () => void;
}

function DeleteConversation({ conversation, current, onClose }: DeleteConversationProps) {
  const remove = useDeleteConversation();
  const navigate = useNavigate();
  const confirm = () => {
    if (!conversation) return;
    remove.mutate(conversation.id, {
      onSuccess: () => {
        onClose();
        if (conversation.id === current) navigate("/ask");
      },
    });
  };
  return (
    <Confirm
      open={conversation !== null}
      title="Delete this conversation?"
      confirmLabel="Delete"
      danger
      busy={remove.isPending}
      error={remove.error}
      onConfirm={confirm}
      onCancel={onClose}
    >
      <p>“{conversation?.title || "Untitled"}” and its answers go. Your knowledge stays.</p>
    </Confirm>
  );
}
