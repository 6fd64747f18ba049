// Supabase Lite's way: MSW proxies each request to the page, which runs it in a transaction.
import { http, HttpResponse } from 'msw';
import { setupWorker } from 'msw/browser';
import { open, query, settings, settingValues } from './shared';
(window as never as { ready: Promise<void> }).ready = (async () => {
  const pg = await open();
  const worker = setupWorker(http.get('*/rest/v1/bench_todos', async () => {
    const result = await pg.transaction(async (tx) => {
      await tx.query(settings, settingValues);
      return tx.query<{ body: unknown; page_total: number }>(query, ['user-7', 20]);
    });
    return HttpResponse.json(result.rows[0]!.body as never);
  }));
  await worker.start({ quiet: true, onUnhandledRequest: 'bypass' });
})();
