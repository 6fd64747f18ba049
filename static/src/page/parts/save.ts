// A file for the person at the browser.

/** Has the browser put it where it puts downloads. */
export function saveFile(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Not at once: the download begins when this task is over.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
