// Which app is open, and which side of it, is in the address: `#/apps?name=shop&tab=settings`.
import { useSyncExternalStore } from 'react';

const subscribe = (listener: () => void) => {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
};

let last = '';
/** The part of the address while it is this place's; the last such one while another place is in front. */
const read = () => {
  const [place, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  if (place === 'apps') last = query;
  return last;
};

const useQuery = () => new URLSearchParams(useSyncExternalStore(subscribe, read));

export const useOpenApp = () => useQuery().get('name') ?? undefined;

export const tabs = ['logs', 'settings'] as const;
export type Tab = (typeof tabs)[number];

export function useTab(): Tab {
  const tab = useQuery().get('tab');
  return tabs.find((known) => known === tab) ?? 'logs';
}

export function openApp(name: string | undefined, tab?: Tab): void {
  const query = new URLSearchParams({ ...(name && { name }), ...(tab && tab !== 'logs' && { tab }) });
  location.hash = `#/apps${name ? `?${query}` : ''}`;
}
