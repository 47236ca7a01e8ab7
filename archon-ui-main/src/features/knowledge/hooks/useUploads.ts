import { useReducer } from "react";
import { uploadFile } from "../api/sources";

export interface Upload {
  id: number;
  file: File;
  state: "waiting" | "sending" | "refused";
  error: unknown;
}

type Action =
  | { type: "add"; files: File[] }
  | { type: "remove"; id: number }
  | { type: "state"; id: number; state: Upload["state"]; error?: unknown };

let nextId = 1;

function reducer(uploads: readonly Upload[], action: Action): readonly Upload[] {
  switch (action.type) {
    case "add":
      return [
        ...uploads,
        ...action.files.map((file): Upload => ({ id: nextId++, file, state: "waiting", error: null })),
      ];
    case "remove":
      return uploads.filter((upload) => upload.id !== action.id);
    case "state":
      return uploads.map((upload) =>
        upload.id === action.id ? { ...upload, state: action.state, error: action.error ?? null } : upload,
      );
  }
}

/** Files chosen and not yet taken by the server. One that is taken leaves the list; a refused one stays with why. */
export function useUploads() {
  const [uploads, dispatch] = useReducer(reducer, []);

  const sendOne = async ({ id, file }: Upload, tags: string[]): Promise<string | null> => {
    dispatch({ type: "state", id, state: "sending" });
    try {
      const started = await uploadFile(file, tags);
      dispatch({ type: "remove", id });
      return started;
    } catch (error) {
      dispatch({ type: "state", id, state: "refused", error });
      return null;
    }
  };

  return {
    uploads,
    sending: uploads.some((upload) => upload.state === "sending"),
    add: (files: Iterable<File>) => dispatch({ type: "add", files: [...files] }),
    remove: (id: number) => dispatch({ type: "remove", id }),
    /** Sends them one after the other; resolves with the last one's work, null where one was refused. */
    send: async (tags: string[]): Promise<string | null> => {
      const started: (string | null)[] = [];
      for (const upload of uploads) started.push(await sendOne(upload, tags));
      return started.includes(null) ? null : (started.at(-1) ?? null);
    },
  };
}
