/** Hands `text` to the person as a file of that name. */
export function saveFile(name: string, text: string, type = "text/plain"): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has read the address by the next task at the latest.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}
