// The first answer is on its way; later ones replace what is shown without a word.
import { Loader } from '@mantine/core';

export function Waiting({ what }: { what: string }) {
  return <p className="quiet waiting"><Loader size={14} aria-hidden /> Reading {what}…</p>;
}
