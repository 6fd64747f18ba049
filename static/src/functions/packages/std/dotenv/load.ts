// Deno's std/dotenv/load: nothing is left to load.
export {};
