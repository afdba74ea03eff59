"""From a tile to a catalogue."""
