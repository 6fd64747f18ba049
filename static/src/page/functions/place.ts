// Which function is open, and which side of it, is in the address: `#/functions?name=hello&tab=logs`.
import { useSyncExternalStore } from 'react';

const subscribe = (listener: () => void) => {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
};

let last = '';
/** The part of the address while it is this place's; the last such one while another place is in front. */
const read = () => {
  const [place, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  if (place === 'functions') last = query;
  return last;
};

const useQuery = () => new URLSearchParams(useSyncExternalStore(subscribe, read));

export const useOpenFunction = () => useQuery().get('name') ?? undefined;

export const tabs = ['code', 'run', 'logs', 'calls', 'metrics', 'versions', 'settings'] as const;
export type Tab = (typeof tabs)[number];

export function useTab(): Tab {
  const tab = useQuery().get('tab');
  return tabs.find((known) => known === tab) ?? 'code';
}

export function openFunction(name: string | undefined, tab?: Tab): void {
  const query = new URLSearchParams({ ...(name && { name }), ...(tab && tab !== 'code' && { tab }) });
  location.hash = `#/functions${name ? `?${query}` : ''}`;
}
