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

  const sendOne = async ({ id, file }: Upload, tags: string[]): Promise<boolean> => {
    dispatch({ type: "state", id, state: "sending" });
    try {
      await uploadFile(file, tags);
    } catch (error) {
      dispatch({ type: "state", id, state: "refused", error });
      return false;
    }
    dispatch({ type: "remove", id });
    return true;
  };

  return {
    uploads,
    sending: uploads.some((upload) => upload.state === "sending"),
    add: (files: Iterable<File>) => dispatch({ type: "add", files: [...files] }),
    remove: (id: number) => dispatch({ type: "remove", id }),
    /** Sends them one after the other; resolves with whether the server took every one. */
    send: async (tags: string[]): Promise<boolean> => {
      let all = true;
      for (const upload of uploads) all = (await sendOne(upload, tags)) && all;
      return all;
    },
  };
}
