//! Frames that cross a MessagePort, encoded and decoded in one place.
