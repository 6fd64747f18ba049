/**
 * How a function's code imports its packages, which is the one import that is left in it: a statement before all others, and the
 * specifier, whose digits are of what is in the module.
 */
export const packagesImport = /import(?:\{[^}]*\}from)?"(\.\/packages-[A-Z0-9]{8}\.js)"/;
