// Requests that show, on the sample shop, what the gateway does.
import type { Draft } from '../requests/request.ts';

/** Customers of the sample whom the console can act as. */
export const sampleUsers = [
  { id: '00000000-0000-4000-8000-000000000001', name: 'Ada Quist' },
  { id: '00000000-0000-4000-8000-000000000002', name: 'Ben Okoro' },
  { id: '00000000-0000-4000-8000-000000000003', name: 'Chie Mori' },
] as const;

const [ada, ben] = sampleUsers;

export interface Example { title: string; shows: string; request: Partial<Draft> }

export const examples: { group: string; examples: Example[] }[] = [
  {
    group: 'Read',
    examples: [
      { title: 'Filters and order', shows: 'and/or, JSON path, cast, range', request: { path: '/rest/v1/products?select=id,name,price,colour:details->>colour,weight:details->weight_g::int&price=lt.40&or=(name.ilike.*lamp*,tags.cs.{oak})&order=price.desc,id&limit=20' } },
      { title: 'A page with the total', shows: 'Range and count: 206', request: { path: '/rest/v1/products?select=id,name,stock&order=id', headers: 'Range: 0-9\nPrefer: count=exact' } },
      { title: 'To-many and many-to-many', shows: 'Embeds with their own order and limit', request: { path: '/rest/v1/products?select=name,categories(name),reviews(stars,body)&reviews.order=stars.desc&reviews.limit=2&id=in.(3,8,13)' } },
      { title: 'Only those with', shows: '!inner filters by the embedded', request: { path: '/rest/v1/products?select=name,price,categories!inner(name)&categories.name=eq.Lighting&price=gte.100&order=price.desc&limit=10' } },
      { title: 'As CSV', shows: 'Accept: text/csv', request: { path: '/rest/v1/product_ratings?order=stars.desc,product_id&limit=20', headers: 'Accept: text/csv' } },
    ],
  },
  {
    group: 'Functions',
    examples: [
      { title: 'Search', shows: 'A function that returns rows, filtered further', request: { path: '/rest/v1/rpc/search_products?term=glass&select=name,price&price=lt.50&limit=10' } },
      { title: 'Place an order as Ada', shows: 'POST with named arguments', request: { method: 'POST', path: '/rest/v1/rpc/place_order', role: 'user', user: ada.id, body: '{ "product_id": 42, "quantity": 2 }' } },
      { title: 'The same without a user', shows: 'The function’s own error and hint: 401', request: { method: 'POST', path: '/rest/v1/rpc/place_order', body: '{ "product_id": 42 }' } },
    ],
  },
  {
    group: 'Row-level security',
    examples: [
      { title: 'Orders as anon', shows: 'Refused: no grant', request: { path: '/rest/v1/orders?select=id&limit=5' } },
      { title: 'Ada’s orders', shows: 'To-one and to-many; her rows alone', request: { path: '/rest/v1/orders?select=id,status,customers(name),order_items(quantity,unit_price,products(name))&order=id.desc&limit=3', role: 'user', user: ada.id, headers: 'Prefer: count=exact' } },
      { title: 'Ben’s orders', shows: 'The same request, other rows', request: { path: '/rest/v1/orders?select=id,status,customers(name),order_items(quantity,unit_price,products(name))&order=id.desc&limit=3', role: 'user', user: ben.id, headers: 'Prefer: count=exact' } },
      { title: 'Everybody’s orders', shows: 'service_role passes the policies', request: { path: '/rest/v1/orders?select=id,status,customers(name)&order=id.desc&limit=10', role: 'service_role', headers: 'Prefer: count=exact' } },
      { title: 'A review in Ada’s name, by Ben', shows: 'Refused by the policy: 403', request: { method: 'POST', path: '/rest/v1/reviews', role: 'user', user: ben.id, headers: 'Prefer: return=representation', body: `{ "product_id": 1, "customer_id": "${ada.id}", "stars": 1 }` } },
    ],
  },
  {
    group: 'Write',
    examples: [
      { title: 'Insert, or change', shows: 'Upsert on a unique pair', request: { method: 'POST', path: '/rest/v1/reviews?on_conflict=product_id,customer_id', role: 'user', user: ada.id, headers: 'Prefer: resolution=merge-duplicates,return=representation', body: `{ "product_id": 7, "customer_id": "${ada.id}", "stars": 4, "body": "Good." }` } },
      { title: 'Change', shows: 'PATCH returns the changed rows', request: { method: 'PATCH', path: '/rest/v1/customers?id=eq.' + ada.id, role: 'user', user: ada.id, headers: 'Prefer: return=representation', body: '{ "city": "Porto" }' } },
      { title: 'Delete', shows: 'What was deleted, in the answer', request: { method: 'DELETE', path: `/rest/v1/reviews?product_id=eq.7&customer_id=eq.${ada.id}`, role: 'user', user: ada.id, headers: 'Prefer: return=representation' } },
    ],
  },
];
