// What is read from the gateway for a part of the page, and read again when it changes.
import { useCallback, useContext, useEffect, useRef, useState, type DependencyList } from 'react';
import { words } from '../gateway/call.ts';
import { Shown } from './shown.ts';

export interface Loaded<Value> {
  /** The last answer; it stays while a newer one is on its way, and where that fails. */
  value?: Value;
  fault?: string;
  loading: boolean;
  reload: () => Promise<void>;
}

/** Reads when the part is shown and whenever `dependencies` change; an answer that was overtaken is dropped. */
export function useLoaded<Value>(read: (() => Promise<Value>) | undefined, dependencies: DependencyList): Loaded<Value> {
  const [state, setState] = useState<Omit<Loaded<Value>, 'reload'>>({ loading: true });
  const latest = useRef(0);
  const shown = useContext(Shown);
  const reload = useCallback(async () => {
    if (!read) return;
    const asked = ++latest.current;
    setState(({ value }) => ({ loading: true, ...(value !== undefined && { value }) }));
    try {
      const value = await read();
      if (asked === latest.current) setState({ value, loading: false });
    } catch (error) {
      if (asked === latest.current) setState(({ value }) => ({ fault: words(error), loading: false, ...(value !== undefined && { value }) }));
    }
  }, dependencies);
  useEffect(() => {
    if (shown) void reload();
  }, [reload, shown]);
  return { ...state, reload };
}

/** Calls `again` every `milliseconds` while the part is shown and the page is in front. */
export function useEvery(milliseconds: number, again: () => Promise<void>): void {
  const shown = useContext(Shown);
  useEffect(() => {
    if (!shown) return;
    let timer: ReturnType<typeof setTimeout>;
    let over = false;
    const turn = async () => {
      if (document.visibilityState === 'visible') await again();
      if (!over) timer = setTimeout(() => void turn(), milliseconds);
    };
    timer = setTimeout(() => void turn(), milliseconds);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [shown, again, milliseconds]);
}
