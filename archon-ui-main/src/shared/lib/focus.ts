/** Router state of a navigation that only names what is already on the page: the focus stays where it is. */
export interface KeepFocus {
  keepFocus: true;
}

export function keepsFocus(state: unknown): state is KeepFocus {
  return typeof state === "object" && state !== null && "keepFocus" in state;
}
