// What the browser would collect too early.

const objects = new Set<object>();

/**
 * Waits for what an object began, and keeps the object until then: of a file's handle that nobody refers to any more, Chromium
 * (156) drops the answer, and whoever waits for it waits for ever.
 */
export async function held<Value>(object: object, begun: Promise<Value>): Promise<Value> {
  objects.add(object);
  try {
    return await begun;
  } finally {
    objects.delete(object);
  }
}
