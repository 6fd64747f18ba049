// Whether a place that was opened is the one in front.
import { createContext } from 'react';

export const Shown = createContext(true);
