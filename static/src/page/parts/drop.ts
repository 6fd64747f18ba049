// A place that things are dropped on.
import { useRef, useState, type DragEvent } from 'react';

/** Whether something is held over the place, and what makes an element that place. `take` runs within the drop's own event. */
export function useDrop(take: (dropped: DataTransfer) => void) {
  const [over, setOver] = useState(false);
  // Each element within the place is entered and left, too.
  const entered = useRef(0);
  const target = {
    onDragEnter(event: DragEvent) {
      event.preventDefault();
      entered.current += 1;
      setOver(true);
    },
    onDragOver: (event: DragEvent) => event.preventDefault(),
    onDragLeave() {
      entered.current -= 1;
      if (entered.current <= 0) setOver(false);
    },
    onDrop(event: DragEvent) {
      event.preventDefault();
      entered.current = 0;
      setOver(false);
      take(event.dataTransfer);
    },
  };
  return { over, target };
}
