import { describe, expect, test } from "vitest";
import { PROVIDERS, SETTINGS } from "@/testing/fixtures";
import { changes, changesEmbeddingModel, draftReducer, shownValue, unsavedValues } from "./draft";

const ALPHA = PROVIDERS[0] as (typeof PROVIDERS)[number];

describe("a draft", () => {
  test("that says what is saved is no change", () => {
    expect(changes(SETTINGS, { ALPHA_URL: "http://127.0.0.1:9001", LLM_PROVIDER: "alpha" })).toEqual({});
  });

  test("that clears what is not stored is no change", () => {
    expect(changes(SETTINGS, { ALPHA_URL: null, ALPHA_CHAT_MODEL: null })).toEqual({});
  });

  test("that clears what is stored removes it", () => {
    expect(changes(SETTINGS, { ALPHA_KEY: null })).toEqual({ ALPHA_KEY: null });
  });

  test("takes blank text for a removal", () => {
    expect(draftReducer({}, { type: "set", key: "ALPHA_URL", value: "  " })).toEqual({ ALPHA_URL: null });
  });

  test("never shows a secret", () => {
    expect(shownValue(SETTINGS, {}, "ALPHA_KEY")).toBe("");
  });

  test("is checked with its removals, and without what it does not touch", () => {
    expect(unsavedValues(ALPHA, { ALPHA_KEY: null, BETA_KEY: "x" })).toEqual({ ALPHA_KEY: null });
  });
});

describe("another embedding model", () => {
  test("is one with another name", () => {
    expect(changesEmbeddingModel(SETTINGS, { ALPHA_EMBEDDING_MODEL: "other" }, PROVIDERS)).toBe(true);
  });

  test("is not the discovered one, now written down", () => {
    expect(changesEmbeddingModel(SETTINGS, { ALPHA_EMBEDDING_MODEL: "tiny-embed" }, PROVIDERS)).toBe(false);
  });

  test("is not another chat model", () => {
    expect(changesEmbeddingModel(SETTINGS, { ALPHA_CHAT_MODEL: "other" }, PROVIDERS)).toBe(false);
  });
});
